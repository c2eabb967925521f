"""The rules and planes, compiled by numba: the same functions, not a second version of them.

`rules` and `planes` are plain Python that a single prediction runs without waiting for numba.
Here every function of theirs is copied into one namespace, where the names they call each other
by mean the compiled ones. Used by the sampler and by nothing that a person waits for.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numba
import platformdirs

INLINED = 550
"""Bytes of bytecode below which a function is put into its callers: the sampler gains a sixth.

Inlining all of them gains nothing more and takes longer to compile.
"""


def compile_modules(*modules: ModuleType) -> dict[str, Any]:
    """Every function of `modules` compiled, beside the constants and types that they use."""
    namespace: dict[str, Any] = {}
    functions: dict[str, FunctionType] = {}
    for module in modules:
        for name, value in vars(module).items():
            if not isinstance(value, FunctionType):
                namespace.setdefault(name, value)
            elif value.__module__ == module.__name__:
                functions[name] = value
    with _cache_folder(modules):
        for name, function in functions.items():
            copy = FunctionType(function.__code__, namespace, name, function.__defaults__)
            copy.__module__ = function.__module__
            small = len(function.__code__.co_code) < INLINED
            namespace[name] = numba.njit(copy, cache=True, nogil=True, forceinline=small)
    return namespace


@contextlib.contextmanager
def _cache_folder(modules: tuple[ModuleType, ...]) -> Iterator[None]:
    """Cache machine code under a name made from all the sources.

    numba watches only the file that a function stands in, and functions here call, and are
    inlined into, functions of other files.
    """
    sources = b"".join(Path(str(module.__file__)).read_bytes() for module in modules)
    name = "kernels-" + hashlib.sha256(sources).hexdigest()[:12]
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(Path(before or platformdirs.user_cache_dir("boardnet")) / name)
    try:
        yield
    finally:
        config.CACHE_DIR = before
