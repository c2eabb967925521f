"""Games between boardnet and another GTP program: python benchmarks/match.py --games 20 -o games

The other is GNU Go 3.8 at level 10 if none is named. Colours alternate; two games in a row have
the same opening, drawn from boardnet's own policy. Every game is saved as SGF, and a match that was
stopped goes on. GNU Go is the referee: it plays dead stones out, and counts by Chinese rules. A
program that crashes, hangs or makes an illegal move has lost the game, and it is said.
"""

from __future__ import annotations

import argparse
import math
import queue
import shlex
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boardnet import records
from boardnet.engine import Engine
from boardnet.errors import BoardnetError
from boardnet.predictor import Predictor
from boardnet.rules import BLACK, WHITE
from boardnet.vertices import parse_vertex, vertex
from boardnet.writing import escaped, sgf_text

GNUGO = (
    "gnugo --mode gtp --level {level} --chinese-rules --positional-superko --never-resign"
    " --capture-all-dead --play-out-aftermath --seed {seed}"
)
NAMES = {BLACK: "black", WHITE: "white"}


class Program:
    """A GTP program in its own process."""

    def __init__(self, command: str, seconds: float) -> None:
        self.seconds = seconds
        self.process = subprocess.Popen(
            shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, bufsize=1,
        )  # fmt: skip
        self.lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(self, command: str) -> str:
        """Its answer. Raises BoardnetError if it refuses, ends, or says nothing for too long."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(f"{command}\n")
            self.process.stdin.flush()
        except OSError:
            raise BoardnetError(f"ended before {command!r}") from None
        answer: list[str] = []
        while True:
            try:
                line = self.lines.get(timeout=self.seconds)
            except queue.Empty:
                raise BoardnetError(f"no answer to {command!r} in {self.seconds:g} s") from None
            if line is None:
                raise BoardnetError(f"ended at {command!r}")
            if line.strip():
                answer.append(line.rstrip("\n"))
            elif answer:
                break
        if answer[0][:1] not in "=?":
            raise BoardnetError(f"answered {command!r} with {answer[0]!r}, which is no GTP")
        if answer[0].startswith("?"):
            raise BoardnetError(f"refused {command!r}: {answer[0][1:].strip()}")
        return "\n".join([answer[0][1:].strip(), *answer[1:]])

    def close(self) -> None:
        self.process.kill()
        self.process.wait()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)


@dataclass
class Played:
    """One game. result: as in SGF's RE. fault: what went wrong, of whom."""

    result: str
    fault: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--games", type=int, default=20)
    parser.add_argument("--size", type=int, default=19)
    parser.add_argument("--komi", type=float, default=7.5)
    parser.add_argument("--level", type=int, default=10, help="of GNU Go")
    parser.add_argument("--against", help="another program's command line; {seed} is the game")
    parser.add_argument("--boardnet", default=f"{sys.executable} -m boardnet gtp --seed {{seed}}")
    parser.add_argument("--opening", type=int, default=6, help="moves at random from the policy")
    parser.add_argument("--seconds", type=float, default=120, help="for a move")
    parser.add_argument("--moves", type=int, default=600, help="after which a game is counted")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    if not shutil.which("gnugo"):
        raise SystemExit("gnugo is not on the PATH: it is the referee (Debian: apt install gnugo)")

    predictor = Predictor.load()
    won, faults, seen = 0.0, 0, set()
    for number in range(args.games):
        path = args.output / f"game-{number:04d}.sgf"
        ours = BLACK if number % 2 == 0 else WHITE
        if not path.exists():
            path.write_text(play(number, ours, predictor, args), encoding="utf-8")
        game = records.read(path)
        faults += "lost by fault" in path.read_text("utf-8")
        won += 0.5 if game.result == "0" else game.result.startswith("BW"[ours - 1])
        seen.add(tuple(action.point for action in game.moves))
        low, high = wilson(won, number + 1)
        print(
            f"{number + 1:4} games  {NAMES[ours]:5} {game.result:8} {len(game.moves):3} moves"
            f"  won {won / (number + 1):.1%} ({low:.1%} to {high:.1%})"
            f"  distinct {len(seen)}  faults {faults}",
            flush=True,
        )


def play(number: int, ours: int, predictor: Predictor, args: argparse.Namespace) -> str:
    """One game, as SGF."""
    other = args.against or GNUGO.replace("{level}", str(args.level))
    commands = {ours: args.boardnet, BLACK + WHITE - ours: other}
    programs: dict[int, Program] = {}
    table = Engine(predictor, temperature=1.0, rng=np.random.default_rng(number // 2))
    table.resize(args.size, args.size)
    table.komi = args.komi
    fault = ""
    colour = BLACK
    try:
        for side, command in commands.items():
            programs[side] = Program(command.replace("{seed}", str(number + 1)), args.seconds)
            for line in (f"boardsize {args.size}", "clear_board", f"komi {args.komi:g}"):
                programs[side].ask(line)
        while len(table.moves) < args.moves and [m.point for m in table.moves[-2:]] != [None, None]:
            side = colour
            if len(table.moves) < args.opening:
                point = table.choose(colour)
                told = list(programs)
            else:
                said = programs[side].ask(f"genmove {NAMES[colour]}")
                if said.lower() == "resign":
                    return text(table, ours, f"{'WB'[colour - 1]}+R", "")
                point = parse_vertex(said, args.size, args.size)
                told = [BLACK + WHITE - colour]
            table.play(colour, point)
            for side in told:
                programs[side].ask(f"play {NAMES[colour]} {vertex(point, args.size)}")
            colour = BLACK + WHITE - colour
        result = referee(table, args)
    except BoardnetError as error:
        fault = f"{'boardnet' if side == ours else 'the other'}: {error}"
        print(f"game {number}: {fault}", file=sys.stderr)
        result = f"{'WB'[side - 1]}+F"
    finally:
        for program in programs.values():
            program.close()
    return text(table, ours, result, fault)


def referee(table: Engine, args: argparse.Namespace) -> str:
    """GNU Go's count of a finished game; it alone knows what is dead."""
    judge = Program(GNUGO.format(level=10, seed=1), 600)
    try:
        for line in (f"boardsize {args.size}", "clear_board", f"komi {args.komi:g}"):
            judge.ask(line)
        for move in table.moves:
            judge.ask(f"play {NAMES[move.colour]} {vertex(move.point, args.size)}")
        return judge.ask("final_score")
    finally:
        judge.close()


def text(table: Engine, ours: int, result: str, fault: str) -> str:
    names = {ours: "PB" if ours == BLACK else "PW"}
    record = sgf_text(table.game())
    about = f"{names[ours]}[boardnet]RE[{escaped(result)}]"
    about += f"GC[{escaped(f'lost by fault: {fault}')}]" if fault else ""
    return record.replace("AP[boardnet]", f"AP[boardnet]{about}", 1)


def wilson(won: float, games: int) -> tuple[float, float]:
    """The 95% interval of a share (Wilson 1927)."""
    z = 1.959964
    share = won / games
    middle = share + z * z / (2 * games)
    spread = z * math.sqrt(share * (1 - share) / games + z * z / (4 * games * games))
    return (middle - spread) / (1 + z * z / games), (middle + spread) / (1 + z * z / games)


if __name__ == "__main__":
    main()
