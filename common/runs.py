"""Runs: FOLDER/run.json, what a training was begun with; its checkpoints lie in the same folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from common import checkpoint, writing
from common.errors import CommonError

FILE = "run.json"


def describe(folder: Path, facts: Mapping[str, Any], *, free: Sequence[str]) -> None:
    """Write what a run is begun with, or goes on with.

    facts: by name, what JSON can hold. free: dotted names ("recipe.train") of what may be otherwise
    when it goes on.
    Raises CommonError, naming what differs, if the folder has checkpoints of a run that was begun
    with something else; then nothing is written.
    """
    facts = checkpoint.identified(facts)
    begun = next(folder.glob("**/state.json"), None) is not None
    before = described(folder) if begun and (folder / FILE).exists() else {}
    may = tuple(f"{name}." for name in free)
    fixed = {name: value for name, value in _flat(facts) if not f"{name}.".startswith(may)}
    checkpoint.check_identity(dict(_flat(before)), fixed, folder)
    writing.put(folder / FILE, (json.dumps({**before, **facts}, indent=1) + "\n").encode())


def described(folder: Path) -> dict[str, Any]:
    """What the run in a folder was begun with. Raises CommonError if nothing can be read."""
    try:
        found: dict[str, Any] = json.loads((folder / FILE).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise damaged(folder) from error
    return found


def damaged(folder: Path) -> CommonError:
    """The error of a run that does not say what it was begun with."""
    return CommonError(f"{folder / FILE} is missing or damaged: train once more")


def _flat(facts: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """All values with their dotted names."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
