"""Packing: game records by the thousand -> a corpus, over all cores, going on where it was.

The files are dealt out as units of work in a fixed order; each becomes a file in CORPUS.part, and
when all are there they are joined. So which process did what, and how often it was interrupted,
changes no byte of the corpus.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import zipfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boardnet import records
from boardnet.corpus import Corpus, from_encoded
from boardnet.errors import BoardnetError
from boardnet.joining import Piece, Refusals, check, join
from boardnet.labels import label
from boardnet.moves import codes
from boardnet.wanted import Wanted

UNIT = 4 << 20  # bytes of small files that are one unit of work
SLICE = 8 << 20  # bytes of an archive that are one
SLICES = {".zip": 64, ".tar": 64, ".gz": 4, ".tgz": 4}
"""Into how many an archive is cut at most: what is packed as a whole is unpacked for each anew."""

BATCH = 1000  # games that are looked at together

Progress = Callable[[int, int, int], object]
"""Is told: bytes done, bytes in all, games so far."""


@dataclass(frozen=True)
class Unit:
    """Work for one process: some files, or every `slices`-th game file of one archive.

    files: (path, source) with the source's place in the list of sources. size: bytes.
    """

    files: tuple[tuple[str, int], ...]
    size: int
    which: int = 0
    slices: int = 1


def pack(
    paths: Sequence[Path],
    folder: Path,
    *,
    wanted: Wanted | None = None,
    shares: Mapping[str, float] | None = None,
    jobs: int | None = None,
    seen: Progress | None = None,
) -> dict[str, Corpus]:
    """Make a corpus, in `folder`, of the games in files, folders, zips and tars.

    wanted: which games; by default all of 19x19. shares: see `joining.join`, as is what is
    returned. jobs: processes, by default one a core. A game with an illegal move ends before it.
    Interrupted, the same call goes on where it was. Raises BoardnetError if `folder` exists, there
    are no games, or the disk does not take them.
    """
    shares = shares or {}
    check(folder, shares)
    wanted = wanted or Wanted()
    sources, units, stamp = plan(paths)
    part = folder.with_name(folder.name + ".part")
    _prepare(part, {"wanted": asdict(wanted), "files": stamp})
    done = {number for number in range(len(units)) if _readable(_place(part, number))}
    total, games = sum(unit.size for unit in units), 0
    finished = sum(units[number].size for number in done)
    todo = [number for number in range(len(units)) if number not in done]
    # The largest first, so that at the end no core waits long for another.
    todo.sort(key=lambda number: (-units[number].size, number))
    if seen is not None:
        seen(finished, total, games)
    for number, packed in _work(units, todo, part, wanted, jobs or _cores()):
        finished += units[number].size
        games += packed
        if seen is not None:
            seen(finished, total, games)
    facts = {"sources": sources, "wanted": _said(wanted)}
    pieces = [_piece(_place(part, number)) for number in range(len(units))]
    made = join(pieces, folder, facts, shares)
    shutil.rmtree(part, ignore_errors=True)
    return made


def plan(paths: Iterable[Path]) -> tuple[list[str], list[Unit], list[tuple[str, int, int]]]:
    """The sources' names, the units of work, and (path, size, time) of each file.

    A source is a packed file or an archive by its name, and a folder for the plain files in it.
    """
    sources: dict[str, int] = {}
    units: list[Unit] = []
    stamp: list[tuple[str, int, int]] = []
    batch: list[tuple[str, int]] = []
    batched = 0
    for top in paths:
        for path in records.files(top):
            try:
                about = path.stat()
            except OSError as error:
                raise BoardnetError(
                    f"cannot read {path}: {(error.strerror or '').lower()}"
                ) from error
            stamp.append((str(path), about.st_size, about.st_mtime_ns))
            name = path.relative_to(top).as_posix() if path != top else path.name
            if path.suffix.lower() == ".sgf" and path != top:
                name = name.rpartition("/")[0] or top.name
            source = sources.setdefault(name, len(sources))
            if records.is_archive(path.name):
                most = SLICES.get(path.suffix.lower(), 1)
                slices = max(1, min(most, about.st_size // SLICE))
                units += [
                    Unit(((str(path), source),), about.st_size // slices, which, slices)
                    for which in range(slices)
                ]
                continue
            batch.append((str(path), source))
            batched += about.st_size
            if batched >= UNIT or path.suffix.lower() != ".sgf":
                units.append(Unit(tuple(batch), batched))
                batch, batched = [], 0
    if batch:
        units.append(Unit(tuple(batch), batched))
    return list(sources), units, stamp


def work(unit: Unit, wanted: Wanted, place: Path) -> int:
    """Read a unit's games and write them to `place`. Returns how many there are."""
    reading = _Reading(wanted)
    for path, source in unit.files:
        reading.file(path, source, unit)
    reading.flush()
    games = reading.games
    about = {"names": list(reading.names), "refused": reading.refused, "size": wanted.size}
    arrays: dict[str, Any] = {
        "moves": np.concatenate([one.moves for one in games]),
        "lengths": np.concatenate([np.diff(one.starts) for one in games]),
        "played": np.concatenate([np.diff(one.firsts) for one in games]),
        "labels": np.concatenate([one.labels for one in games]),
        "openings": np.concatenate([one.openings() for one in games]),
        "origins": np.array(reading.origins, np.int64).reshape(-1, 2),
        "about": np.array(json.dumps(about)),
    }
    part = place.with_name(f"{place.name}.{os.getpid()}")
    try:
        with part.open("wb") as file:
            np.savez(file, **arrays)
        part.replace(place)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise BoardnetError(f"cannot write {place.parent}: {error.strerror}") from error
    return len(reading.origins)


class _Reading:
    """The games of one unit, as far as they are read."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.names: dict[str, int] = {}  # of files, in order
        self.games: list[Corpus] = []
        self.origins: list[tuple[int, int]] = []  # file, and which game of it
        self.refused: Refusals = []
        self.encoded: list[array[int]] = []
        self.labels: list[tuple[float, ...]] = []
        self.waiting: list[tuple[str, int]] = []

    def file(self, path: str, source: int, unit: Unit) -> None:
        """Read the games of a file."""
        number = -1

        def own(name: str) -> bool:
            nonlocal number
            number += 1
            return number % unit.slices == unit.which

        def refuse(error: BoardnetError) -> None:
            self.refused.append({"file": path, "reason": "unreadable", "why": str(error)})

        try:
            for name, tree in records.trees(path, refuse, own if unit.slices > 1 else None):
                try:
                    game = records.parse_tree(tree, name)
                except BoardnetError as error:
                    row = {"file": name, "game": tree.number, "reason": "unusable"}
                    self.refused.append({**row, "why": str(error)})
                    continue
                if why := self.wanted.refusal(game):
                    self.refused.append({"file": name, "game": tree.number, "reason": why})
                    continue
                self.encoded.append(codes(game))
                self.labels.append(label(game, source))
                self.waiting.append((name, tree.number))
                if len(self.encoded) == BATCH:
                    self.flush()
        except BoardnetError as error:  # what came before it counts
            self.refused.append({"file": path, "reason": "unreadable", "why": str(error)})

    def flush(self) -> None:
        """Take the games that wait, as far as they are legal."""
        size = self.wanted.size
        whole = from_encoded(self.encoded, self.labels, size, size)
        useful = np.diff(whole.firsts) >= max(1, self.wanted.min_moves)
        for (name, number), taken in zip(self.waiting, useful, strict=True):
            if taken:
                self.origins.append((self.names.setdefault(name, len(self.names)), number))
            else:
                self.refused.append({"file": name, "game": number, "reason": "illegal"})
        self.games.append(whole.pick(np.flatnonzero(useful)))
        self.encoded, self.labels, self.waiting = [], [], []


def _cores() -> int:
    """So many this process may use, where the system tells; else all that there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _work(
    units: Sequence[Unit], todo: Sequence[int], part: Path, wanted: Wanted, jobs: int
) -> Iterator[tuple[int, int]]:
    """Do the units; yields each one's number and games as it is done."""
    jobs = min(jobs, len(todo))
    if jobs <= 1:
        for number in todo:
            yield number, work(units[number], wanted, _place(part, number))
        return
    # Not forked: a copy of a process with threads may hang.
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_begin)
    try:
        waiting = {
            pool.submit(work, units[number], wanted, _place(part, number)): number
            for number in todo
        }
        for future in as_completed(waiting):
            yield waiting[future], future.result()
    except BrokenProcessPool as error:
        raise BoardnetError(
            "a process of the packing was ended from outside: give the same command to go on"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """In a new process: Ctrl-C is its parent's business, and it ends with it, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _prepare(part: Path, wanted: dict[str, Any]) -> None:
    """An unfinished packing of the same files and settings goes on; any other begins anew."""
    text = json.dumps(wanted, indent=1)
    try:
        if not (part / "plan.json").is_file() or (part / "plan.json").read_text("utf-8") != text:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            (part / "plan.json").write_text(text, encoding="utf-8")
    except OSError as error:
        raise BoardnetError(f"cannot write {part}: {error.strerror}") from error


def _place(part: Path, number: int) -> Path:
    return part / f"unit-{number:06d}.npz"


def _readable(place: Path) -> bool:
    """Whether a unit was done; a file that a power cut has torn is no unit."""
    try:
        return place.is_file() and zipfile.ZipFile(place).testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False


def _piece(place: Path) -> Piece:
    with np.load(place) as unit:
        origins, about = unit["origins"], json.loads(str(unit["about"]))

    def load() -> Corpus:
        with np.load(place) as unit:
            starts = np.concatenate([[0], np.cumsum(unit["lengths"])])
            firsts = np.concatenate([[0], np.cumsum(unit["played"])])
            size = about["size"]
            return Corpus(size, size, unit["moves"], starts, firsts, unit["labels"])

    def name(game: int) -> dict[str, Any]:
        file, number = origins[game]
        return {"file": about["names"][file], "game": int(number)}

    def found() -> NDArray[np.bytes_]:
        with np.load(place) as unit:
            return np.asarray(unit["openings"])

    return Piece(load, found, name, about["refused"])


def _said(wanted: Wanted) -> dict[str, Any]:
    """The settings that say anything."""
    default = asdict(Wanted())
    return {name: value for name, value in asdict(wanted).items() if value != default[name]}
