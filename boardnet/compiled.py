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
from numba.core import types
from numba.extending import intrinsic
from numba.np import arrayobj


def _pointer(_context: Any, array: Any) -> Any:
    """Where an array's numbers begin, which compiled code indexes like the array.

    Numba counts references to an array in every function that it is passed to, and looks at
    every index for a negative one; without either the sampler takes a sixth less time. The array
    must be an argument of the function that calls this, or a row of one: numba drops what it made
    itself after its last use.
    """
    signature = types.CPointer(array.dtype)(array)  # type: ignore[no-untyped-call]

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind: Any = arrayobj.make_array(signature.args[0])  # type: ignore[no-untyped-call]
        return kind(context, builder, values[0]).data

    return signature, generate


pointer: Any = intrinsic(_pointer)


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
            namespace[name] = _lenient(numba.njit(copy, cache=True, nogil=True))
    return namespace


def _lenient(compiled: Any) -> Any:
    """A function whose machine code is made anew next time if there is no room to keep it.

    numba would let the first call fail instead. It has no public way to say this.
    """
    keep = compiled._cache.save_overload

    def save(signature: Any, code: Any) -> None:
        with contextlib.suppress(OSError):
            keep(signature, code)

    compiled._cache.save_overload = save
    return compiled


@contextlib.contextmanager
def _cache_folder(modules: tuple[ModuleType, ...]) -> Iterator[None]:
    """Cache machine code under a name made from all the sources.

    numba watches only the file that a function stands in, and functions here call, and are
    inlined into, functions of other files.
    """
    files = [__file__, *(str(module.__file__) for module in modules)]
    sources = b"".join(Path(file).read_bytes() for file in files)
    name = "kernels-" + hashlib.sha256(sources).hexdigest()[:12]
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(Path(before or platformdirs.user_cache_dir("boardnet")) / name)
    try:
        yield
    finally:
        config.CACHE_DIR = before
