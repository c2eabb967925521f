"""Words: a folder, zip or tar of WORD/clip.wav as a data set.

In: the source's path. Out: Clips (int16 samples at 16 kHz, views of a memory-mapped cache) with
their word and speaker, and a Report of what was left out or is suspicious. Sounds are decoded once
and kept by speechnet.clips.cache; names are read by speechnet.clips.naming. No torch here.
"""

import hashlib
import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from common.archives import Entry, entries, fingerprint
from speechnet.clips.cache import Append, Int16s, cached
from speechnet.clips.naming import Table
from speechnet.errors import SpeechnetError
from speechnet.sound import audio
from speechnet.sound.files import READ

RATE = 16_000  # samples a second of every clip
LONGEST = 60.0  # seconds; a longer recording is not one of a word
LARGEST = 32 * 2**20  # bytes of one file; a minute of 24-bit stereo at 96 kHz is 33 MiB
NEAR_SILENT = -45.0  # dBFS of Clip.loud_db; below it there is hardly a word to hear

# What libsndfile reads, and what people also have: the latter comes into the report by name.
OTHERS = """m4a aac mp4 wma webm amr 3gp"""
_SOUNDS = {*READ.split(), *OTHERS.split()}
_TABLES = {"csv", "tsv"}


@dataclass(frozen=True, eq=False)
class Clip:
    """One recording of one word."""

    name: str  # path inside the source
    word: str
    speaker: str  # the recording's own name where nothing tells who speaks
    samples: Int16s  # [sample] at 16 kHz, 32768 is full scale; read-only
    loud_db: float  # 95th percentile of the level of 25 ms frames, dBFS
    facts: Mapping[str, str] = field(default_factory=dict)  # the table's other columns


@dataclass(frozen=True)
class Report:
    """What was wrong with a source, by name. All but `near_silent` are not among the clips."""

    damaged: tuple[tuple[str, str], ...] = ()  # (name, why)
    near_silent: tuple[str, ...] = ()
    contradictory: tuple[str, ...] = ()  # the same bytes under two words: one label is wrong
    repeated: tuple[str, ...] = ()  # the same bytes under the same word once more
    wordless: tuple[str, ...] = ()  # sounds that no folder or table gives a word
    other: tuple[str, ...] = ()  # files that are no sounds

    def faults(self) -> Iterator[str]:
        """What is left out though somebody took it for a clip: of each kind how many and which."""
        named = [f"{name}: {why}" for name, why in self.damaged]
        for kind, names in (
            ("damaged", named),
            ("contradictory", self.contradictory),
            ("repeated", self.repeated),
            ("wordless", self.wordless),
        ):
            if names:
                yield f"{len(names)} {kind} ({names[0]})"


@dataclass(frozen=True)
class Words:
    """A data set: its clips in the order of their names, and what was wrong with it."""

    clips: tuple[Clip, ...]
    report: Report


def read_clips(
    source: str | os.PathLike[str],
    *,
    cache: Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> Words:
    """Read a data set, from the cache if it was read before and has not changed since.

    source: a folder, .zip or .tar[.gz|.bz2|.xz]. cache: folder for the decoded sound, None is the
    user's cache folder. progress: called with the share done, 0..1, while sounds are decoded.
    Raises SpeechnetError if the source cannot be read or no clip remains.
    """
    path = Path(source)
    tables = _beside(path)
    index, samples = cached(
        cache,
        path,
        fingerprint(path, *tables),
        lambda append: _scan(path, tables, append, progress),
    )
    return _words(path, index, samples)


def loudness(samples: npt.NDArray[np.floating[Any]]) -> float:
    """95th percentile of the level of 25 ms frames, dBFS; -inf for nothing but zeros.

    >>> round(loudness(np.full(16_000, 0.1)), 1)
    -20.0
    """
    frame = RATE // 40
    whole = len(samples) // frame * frame
    frames = samples[:whole].reshape(-1, frame) if whole else samples[None]
    power = float(np.quantile(np.square(frames, dtype=np.float64).mean(axis=1), 0.95))
    return 10 * math.log10(power) if power > 0 else -math.inf


def split(clips: Sequence[Clip], share: float, *, salt: str = "") -> tuple[list[Clip], list[Clip]]:
    """Clips to learn from, and about `share` of the speakers' to choose by; no speaker is in both.

    Which speakers does not depend on the order of the clips, nor on which others there are. `salt`
    makes another choice.
    """
    kept = {
        speaker
        for speaker in {clip.speaker for clip in clips}
        if int(hashlib.sha1(f"{salt}:{speaker}".encode()).hexdigest()[:8], 16) < share * 2**32
    }
    learnt = [clip for clip in clips if clip.speaker not in kept]
    return learnt, [clip for clip in clips if clip.speaker in kept]


def _beside(source: Path) -> list[Path]:
    """The tables beside an archive, called like it; those in a folder are among its files."""
    if source.is_dir():
        return []
    stem = source.name.split(".")[0]
    return [
        path for kind in sorted(_TABLES) if (path := source.with_name(f"{stem}.{kind}")).exists()
    ]


def _scan(
    source: Path, tables: Sequence[Path], append: Append, progress: Callable[[float], None] | None
) -> dict[str, Any]:
    """Decode all sounds of a source, in the order in which it has them; the index of the cache."""
    table = Table()
    for path in tables:
        table.add(path.read_text("utf-8-sig", errors="replace"))
    found: list[_Decoded] = []
    other: list[str] = []
    start = 0
    for entry, decoded in _decoded(source):
        if progress is not None:
            progress(entry.share)
        if decoded is None:
            is_table = _ending(entry.name) in _TABLES
            if not is_table or not table.add(entry.data.decode("utf-8-sig", "replace")):
                other.append(entry.name)
            continue
        append(decoded.samples)
        found.append(decoded._replace(samples=decoded.samples[:0], start=start))
        start += decoded.length
    return {"sounds": [_row(one, table) for one in found], "other": other}


class _Decoded(NamedTuple):
    name: str
    problem: str
    digest: str  # of the file's bytes
    loud_db: float
    samples: Int16s
    length: int
    start: int = 0


def _decoded(source: Path) -> Iterator[tuple[Entry, _Decoded | None]]:
    """All files of a source; the sounds decoded by threads, for libsndfile lets go of the lock."""
    workers = os.cpu_count() or 1
    waiting: deque[tuple[Entry, Future[_Decoded] | None]] = deque()
    wanted = _SOUNDS | _TABLES
    with ThreadPoolExecutor(workers, thread_name_prefix="decoding") as pool:
        for entry in entries(source, lambda name: _ending(name) in wanted, LARGEST):
            sound = _ending(entry.name) in _SOUNDS or bool(entry.problem)
            waiting.append((entry, pool.submit(_decode, entry) if sound else None))
            while len(waiting) > 4 * workers:
                first, future = waiting.popleft()
                yield first, future.result() if future else None
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result() if future else None


def _decode(entry: Entry) -> _Decoded:
    nothing = np.zeros(0, np.int16)
    digest = hashlib.sha1(entry.data).hexdigest()
    if entry.problem:
        return _Decoded(entry.name, entry.problem, digest, 0.0, nothing, 0)
    try:
        wave = audio.read(entry.data).samples
    except SpeechnetError as error:
        return _Decoded(entry.name, str(error), digest, 0.0, nothing, 0)
    if len(wave) > LONGEST * RATE:
        problem = f"is longer than {LONGEST:.0f} s, too long for one word"
        return _Decoded(entry.name, problem, digest, 0.0, nothing, 0)
    samples = np.rint(np.clip(wave, -1, 32767 / 32768) * 32768).astype(np.int16)
    return _Decoded(entry.name, "", digest, max(-999.0, loudness(wave)), samples, len(samples))


def _row(one: _Decoded, table: Table) -> list[Any]:
    label = table.label(one.name)
    facts = dict(label.facts)
    speaker = label.speaker or one.name  # nothing tells who speaks: everybody is somebody else
    return [
        one.name, label.word, speaker, facts, one.problem, one.digest, one.loud_db,
        one.start, one.length,
    ]  # fmt: skip


def _words(source: Path, index: Mapping[str, Any], samples: Int16s) -> Words:
    """The cache's index -> clips and report."""
    lists: dict[str, list[Any]] = {name: [] for name in Report.__dataclass_fields__}
    lists["other"] = index["other"]
    words_of: dict[str, set[str]] = {}
    for _, word, *_, digest, _, _, _ in index["sounds"]:
        words_of.setdefault(digest, set()).add(word)
    clips: list[Clip] = []
    seen: set[str] = set()
    for name, word, speaker, facts, problem, digest, loud_db, start, length in index["sounds"]:
        if problem:
            lists["damaged"].append((name, problem))
        elif not word:
            lists["wordless"].append(name)
        elif len(words_of[digest]) > 1:
            lists["contradictory"].append(name)
        elif digest in seen:
            lists["repeated"].append(name)
        else:
            seen.add(digest)
            if loud_db < NEAR_SILENT:
                lists["near_silent"].append(name)
            clips.append(Clip(name, word, speaker, samples[start : start + length], loud_db, facts))
    if not clips:
        raise SpeechnetError(
            f"{source} holds no clips: give a folder, zip or tar of WORD/clip.wav"
            + (f" ({lists['damaged'][0][0]}: {lists['damaged'][0][1]})" if lists["damaged"] else "")
        )
    clips.sort(key=lambda clip: clip.name)
    return Words(tuple(clips), Report(**{name: tuple(found) for name, found in lists.items()}))


def _ending(name: str) -> str:
    return PurePosixPath(name).suffix.lower().removeprefix(".")
