"""How fast and how tough the reading of records is: python benchmarks/records.py

pack: `boardnet pack` with one process and with several, beside a plain loop over sgfmill.
fuzz: mutated records by the hundred thousand, which must be read or refused with a sentence, soon.
large: one file of a million nodes, through `boardnet predict`.
trip: read, write, read of every game, by the nodes that come out.

Run `pack` on an idle machine; `--games` names a folder of many games, `data/games` serves without.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sgfmill import sgf as sgfmill
from sgfmill import sgf_moves

from boardnet import records
from boardnet.errors import BoardnetError
from boardnet.predictor import planes_of
from boardnet.sgf_tree import Collection

ROOT = Path(__file__).parents[1]
LIMIT = 10  # seconds that one record may take

PIECES = [
    b"(", b")", b";", b"[", b"]", b"\\", b":", b"\0", b"\xff", b"(;", b"SZ[", b"SZ[5:37]", b"B[tt]",
    b"AB[aa:ss]", b"\n", b"\r", b"CA[GB2312]", b"CA[Shift_JIS]", b"\x1b$B", b"\xef\xbb\xbf", b"KM[",
    b"HA[9]", b"\x81", b"PL[W]", b"GM[", b"C[", b"]" * 50, b"(" * 50, b";" * 50,
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--games", type=Path, default=ROOT / "data" / "games")
    parser.add_argument("--only", choices=["pack", "fuzz", "large", "trip"])
    parser.add_argument("--count", type=int, default=100_000, help="of mutated records")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    parts: dict[str, Callable[[], None]] = {
        "pack": lambda: pack(args.games),
        "fuzz": lambda: fuzz(args.count, args.seed),
        "large": large,
        "trip": lambda: trip(args.games),
    }
    for name, part in parts.items():
        if args.only in (None, name):
            part()


def pack(folder: Path) -> None:
    """Whole commands, and what they leave."""
    jobs = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as work:
        seconds: dict[int, float] = {}
        command = [sys.executable, "-m", "boardnet", "pack", str(folder)]
        for _ in range(3):  # alternating, for the machine's speed is not always the same
            for processes in (1, jobs):
                out = Path(work) / str(processes)
                shutil.rmtree(out, ignore_errors=True)
                start = time.perf_counter()
                words = [*command, "--jobs", str(processes), "-o", str(out)]
                subprocess.run(words, check=True, capture_output=True)
                took = time.perf_counter() - start
                seconds[processes] = min(took, seconds.get(processes, took))
        peak = watched([*command, "--jobs", str(jobs), "-o", f"{work}/watched"])
        left, right = Path(work) / "1", Path(work) / str(jobs)
        names = [one.name for one in left.iterdir()]
        same = filecmp.cmpfiles(left, right, names, shallow=False)[0] == names
        games = json.loads((left / "corpus.json").read_text("utf-8"))["games"]
    rate = sgfmill_rate(folder)
    ours = {processes: games / taken for processes, taken in seconds.items()}
    print(f"pack, 1 process       {ours[1]:9.0f} games a second")
    print(f"pack, {jobs} processes     {ours[jobs]:9.0f} = {ours[jobs] / ours[1]:.2f} x (goal 1.8)")
    print(f"sgfmill, a plain loop {rate:9.0f}; pack = {ours[jobs] / rate:.1f} x (goal 20)")
    print(
        f"the same corpus byte for byte: {same}; at most {peak >> 10} MiB, all processes together"
    )


def watched(command: list[str]) -> int:
    """KiB that a command and its processes have in memory at most."""
    peak = 0
    run = subprocess.Popen(command, stdout=-3, stderr=-3, start_new_session=True)
    while run.poll() is None:
        peak = max(peak, memory(run.pid))
        time.sleep(0.1)
    return peak


def memory(session: int) -> int:
    """KiB that the processes of a session have in memory, shared pages counted once (Linux)."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(process.name)) == session:
                lines = (process / "smaps_rollup").read_text().splitlines()
                total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except (OSError, StopIteration):  # it has ended meanwhile
            continue
    return total


def sgfmill_rate(folder: Path, most: int = 2000) -> float:
    """Games a second of parsing and replaying, one process; of up to `most`, evenly from all."""
    texts = [
        tree.text
        for path in records.files(folder)
        for number, (_, tree) in enumerate(records.trees(path))
        if number % 50 == 0
    ][:most]
    start = time.perf_counter()
    for text in texts:
        board, plays = sgf_moves.get_setup_and_moves(sgfmill.Sgf_game.from_string(text))
        for colour, move in plays:
            if move is not None:
                board.play(*move, colour)
    return len(texts) / (time.perf_counter() - start)


def fuzz(count: int, seed: int) -> None:
    """Anything but a game or a sentence ends this with a traceback."""
    rng = random.Random(seed)
    seeds = [path.read_bytes() for path in sorted((ROOT / "data" / "games").glob("*.sgf"))]
    seeds += [
        b"(;SZ[13:9]HA[2]AB[aa:bb]PL[W]KM[7.5]C[x\\]y];W[];B[aa]AE[bb](;W[cc])(;W[dd]LB[aa:x]))",
        "(;GM[1]CA[GB18030]PB[古力]PW[李世石];B[pd](;W[dp];B[dd])(;W[pp]))".encode("gb18030"),
        "(;GM[1]PB[井山裕太]BR[九段]PW[表ソ能];B[pd];W[dp])(;SZ[9];B[ee])".encode("cp932"),
        "(;GM[1]PB[Müller];B[pd];W[dp];B[pp];W[dd])".encode("utf-16"),
    ]
    signal.signal(signal.SIGALRM, _hung)
    read = refused = 0
    worst = 0.0
    start = time.perf_counter()
    for _ in range(count):
        data = mutated(rng.choice(seeds), rng)
        signal.alarm(LIMIT)
        begin = time.perf_counter()
        try:
            games = records.parse(data)
            for game in games:
                if max(game.rows, game.columns) <= 25:
                    planes_of(game, len(game.moves))
            Collection.parse(data).encode()
            read += 1
        except BoardnetError as error:
            if not str(error).isprintable():
                raise ValueError(f"no sentence: {error}") from error
            refused += 1
        signal.alarm(0)
        worst = max(worst, time.perf_counter() - begin)
    took = time.perf_counter() - start
    found = f"{read} read, {refused} refused"
    print(f"{count} mutated records: {found}; {took:.0f} s, worst {worst:.2f} s")


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The same with up to a dozen places overwritten, doubled, cut or filled with odd pieces."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 12)):
        at = rng.randrange(len(out) + 1)
        length = rng.choice([0, 0, 1, 1, 2, 20, 300])
        other = rng.randrange(len(out) + 1)
        new = rng.choice(
            [rng.choice(PIECES), bytes([rng.randrange(256)]), bytes(out[other : other + length])]
        )
        out[at : at + length] = new
    if rng.random() < 0.1:
        del out[rng.randrange(len(out) + 1) :]
    return bytes(out)


def _hung(*_: object) -> None:
    raise AssertionError(f"a record took over {LIMIT} s")


def large() -> None:
    """Fifty million bytes and a million nodes: as one line, as variations, as a nest of them."""
    node = ";B[{}{}]C[a comment of some thirty letters  ]"
    letters = "abcdefghijklmnopqrs"
    nodes = [node.format(letters[k % 19], letters[k // 19 % 19]) for k in range(361)]
    body = "".join(nodes) * (1_000_000 // 361)
    texts = {
        "one line": f"(;SZ[19]{body})",
        "variations": "(;SZ[19]" + "".join(f"({one})" for one in nodes) * (1_000_000 // 361) + ")",
        "nested": "(" + "(".join(nodes * (1_000_000 // 361)) + ")" * (1_000_000 // 361 * 361),
    }
    asked = {
        "predict": "import sys; from boardnet.cli import main; main(['predict', sys.argv[1]])",
        "nodes": "import sys; from boardnet.records import collection;"
        "print(sum(1 for one in collection(sys.argv[1]).records[0].nodes()))",
    }
    with tempfile.TemporaryDirectory() as work:
        for name, text in texts.items():
            path = Path(work) / "large.sgf"
            path.write_text(text)
            for what, code in asked.items():
                start = time.perf_counter()
                command = [sys.executable, "-c", code, str(path)]
                run = subprocess.Popen(command, stdout=-3, stderr=-3)
                _, status, usage = os.wait4(run.pid, 0)
                took = time.perf_counter() - start
                cost = f"{took:6.1f} s, {usage.ru_maxrss >> 10:6} MiB, status {status}"
                print(f"{name:11} {path.stat().st_size / 1e6:.0f} MB, {what:8} {cost}")


def trip(folder: Path) -> None:
    """Every node of every game, after one writing."""
    games = nodes = differ = 0
    for path in records.files(folder):
        for _, tree in records.trees(path):
            [one] = Collection.parse(tree.text.encode("utf-8", "surrogateescape")).records
            before = [node.properties for node in one.nodes()]
            [other] = Collection.parse(str(one).encode("utf-8", "surrogateescape")).records
            differ += before != [node.properties for node in other.nodes()]
            games += 1
            nodes += len(before)
    print(f"{games} games, {nodes} nodes read, written and read: {differ} games differ")


if __name__ == "__main__":
    main()
