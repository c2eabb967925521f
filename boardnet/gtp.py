"""GTP: the network as an engine that any Go program can talk to (Go Text Protocol 2, draft 2).

Lines in, answers out; `engine` has the game. The commands beyond the specification are those that
programs with a board ask for: Leela Zero's and KataGo's analysis, Sabaki's, GoGui's.
There is no search, so an analysis is one look, told again at every interval until the next line;
`visits` is the prior in thousandths, `pv` the move alone.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from boardnet import records
from boardnet.drawing import board_text
from boardnet.engine import Engine
from boardnet.errors import BoardnetError
from boardnet.handicap import fixed
from boardnet.predictor import Prediction
from boardnet.rules import BLACK, WHITE
from boardnet.vertices import Point, parse_vertex, vertex
from boardnet.writing import sgf_text
from common import writing
from common.errors import CommonError

NAME = "boardnet"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_COLOURS = {"b": BLACK, "black": BLACK, "w": WHITE, "white": WHITE}
_MOST_ID = 2**31 - 1
VALUED = 20
"""Candidates of an analysis after which the value is asked for."""

Winrates = Sequence[float | None]  # of the mover, after each candidate
Form = Callable[[Prediction, Winrates], str]


class Session:
    """One conversation. `answer` never raises for what a line says."""

    def __init__(self, engine: Engine, version: str) -> None:
        self.engine = engine
        self.version = version
        self.over = False  # after quit
        self.commands: dict[str, Callable[[list[str]], str | Analysis]] = {
            "protocol_version": lambda args: "2",
            "name": lambda args: NAME,
            "version": lambda args: self.version,
            "known_command": self._known_command,
            "list_commands": lambda args: "\n".join(self.commands),
            "quit": self._quit,
            "boardsize": self._boardsize,
            "rectangular_boardsize": self._boardsize,
            "clear_board": self._clear_board,
            "komi": self._komi,
            "get_komi": lambda args: f"{self.engine.komi:g}",
            "fixed_handicap": self._fixed_handicap,
            "place_free_handicap": self._place_free_handicap,
            "set_free_handicap": self._set_free_handicap,
            "set_position": self._set_position,
            "play": self._play,
            "genmove": self._genmove,
            "reg_genmove": lambda args: self._vertex(self.engine.choose(self._colour(args))),
            "undo": self._undo,
            "time_settings": self._time_settings,
            "time_left": self._time_left,
            "final_score": self._final_score,
            "showboard": self._showboard,
            "loadsgf": self._loadsgf,
            "printsgf": self._printsgf,
            "kata-raw-nn": self._raw_nn,
            "analyze": lambda args: self._analyze(args, _kata_line),
            "kata-analyze": lambda args: self._analyze(args, _kata_line),
            "lz-analyze": lambda args: self._analyze(args, _lz_line),
            "genmove_analyze": lambda args: self._analyze(args, _kata_line, play=True),
            "kata-genmove_analyze": lambda args: self._analyze(args, _kata_line, play=True),
            "lz-genmove_analyze": lambda args: self._analyze(args, _lz_line, play=True),
        }

    def answer(self, line: str) -> tuple[str, Analysis | None] | None:
        """What to say to a line, and what is to be told from then on; None if nothing.

        The answer ends with the empty line that the specification wants, but for that of an
        analysis, which goes on.
        """
        words = _CONTROL.sub("", line).replace("\t", " ").partition("#")[0].split()
        if not words:
            return None
        number = ""
        if words[0].isascii() and words[0].isdigit() and int(words[0][:12]) <= _MOST_ID:
            number, *words = words
        if not words:
            return f"?{number} syntax error\n\n", None
        command = self.commands.get(words[0])
        if command is None:
            return f"?{number} unknown command\n\n", None
        try:
            said = command(words[1:])
        except CommonError as error:
            return f"?{number} {_tidy(str(error))}\n\n", None
        if isinstance(said, Analysis):
            return f"={number}\n", said
        return f"={number} {_tidy(said)}\n\n", None

    # What the arguments say

    def _colour(self, args: Sequence[str], default: int | None = None) -> int:
        if not args and default is not None:
            return default
        if not args or args[0].lower() not in _COLOURS:
            raise BoardnetError("invalid color" if args else "syntax error")
        return _COLOURS[args[0].lower()]

    def _point(self, name: str) -> Point | None:
        try:
            return parse_vertex(name, self.engine.rows, self.engine.columns)
        except BoardnetError:
            raise BoardnetError("invalid color or coordinate") from None

    def _points(self, names: Sequence[str]) -> list[Point]:
        found = [self._point(name) for name in names]
        points = [point for point in found if point is not None]
        if len(set(points)) != len(names):
            raise BoardnetError("invalid vertex list")
        return points

    def _vertex(self, point: Point | None) -> str:
        return vertex(point, self.engine.rows)

    # The game

    def _known_command(self, args: list[str]) -> str:
        return "true" if len(args) == 1 and args[0] in self.commands else "false"

    def _quit(self, args: list[str]) -> str:
        self.over = True
        return ""

    def _boardsize(self, args: list[str]) -> str:
        sizes = [_whole(text, "boardsize not an integer") for text in args]
        if len(sizes) not in (1, 2):
            raise BoardnetError("boardsize not an integer")
        self.engine.resize(sizes[-1], sizes[0])
        return ""

    def _clear_board(self, args: list[str]) -> str:
        self.engine.clear()
        return ""

    def _komi(self, args: list[str]) -> str:
        self.engine.komi = _number(args[0] if args else "", "komi not a float")
        return ""

    def _fixed_handicap(self, args: list[str]) -> str:
        points = fixed(_stones(args), self.engine.rows, self.engine.columns)
        self.engine.set_up([(BLACK, point) for point in points])
        return " ".join(self._vertex(point) for point in points)

    def _place_free_handicap(self, args: list[str]) -> str:
        """Where the stones of a fixed handicap lie; as many of them as there are places."""
        wanted, rows, columns = _stones(args), self.engine.rows, self.engine.columns
        if wanted < 2:
            raise BoardnetError("invalid number of stones")
        for number in range(min(wanted, 9), 1, -1):
            try:
                points = fixed(number, rows, columns)
            except BoardnetError:
                continue
            self.engine.set_up([(BLACK, point) for point in points])
            return " ".join(self._vertex(point) for point in points)
        raise BoardnetError("there are no places for handicap stones on this board")

    def _set_free_handicap(self, args: list[str]) -> str:
        try:
            points = self._points(args)
        except BoardnetError:
            raise BoardnetError("invalid vertex list") from None
        if not 2 <= len(points) < self.engine.rows * self.engine.columns:
            raise BoardnetError("invalid vertex list")
        self.engine.set_up([(BLACK, point) for point in points])
        return ""

    def _set_position(self, args: list[str]) -> str:
        """KataGo's: colours and points in turns, from an empty board."""
        if len(args) % 2:
            raise BoardnetError("syntax error")
        colours = [self._colour([name]) for name in args[::2]]
        stones = list(zip(colours, self._points(args[1::2]), strict=True))
        self.engine.clear()
        self.engine.set_up(stones)
        return ""

    def _play(self, args: list[str]) -> str:
        if len(args) != 2:
            raise BoardnetError("syntax error")
        self.engine.play(self._colour(args), self._point(args[1]))
        return ""

    def _genmove(self, args: list[str]) -> str:
        return self._played(self._colour(args))

    def _played(self, colour: int, avoid: Container[Point | None] = ()) -> str:
        """Play the network's move; its name."""
        if self.engine.gives_up(colour):
            return "resign"
        point = self.engine.choose(colour, avoid)
        self.engine.play(colour, point)
        return self._vertex(point)

    def _undo(self, args: list[str]) -> str:
        self.engine.undo()
        return ""

    def _time_settings(self, args: list[str]) -> str:
        """Any will do: a move takes milliseconds."""
        if len(args) != 3 or any(_number(text, "syntax error") < 0 for text in args):
            raise BoardnetError("syntax error")
        return ""

    def _time_left(self, args: list[str]) -> str:
        if len(args) != 3:
            raise BoardnetError("syntax error")
        self._colour(args)
        for text in args[1:]:
            _number(text, "syntax error")
        return ""

    def _final_score(self, args: list[str]) -> str:
        lead = self.engine.score()
        return "0" if lead == 0 else f"{'B' if lead > 0 else 'W'}+{abs(lead):g}"

    def _showboard(self, args: list[str]) -> str:
        engine = self.engine
        moves = engine.moves
        board = board_text(
            engine.rows, engine.columns, engine.stones, last=moves[-1].point if moves else None
        )
        mover = "Black" if engine.to_move == BLACK else "White"
        return f"\n{board}\n{mover} to play move {len(moves) + 1}, komi {engine.komi:g}"

    def _loadsgf(self, args: list[str]) -> str:
        """loadsgf FILE [MOVE]: the position before that move; who is to play."""
        if not args:
            raise BoardnetError("missing filename")
        turn = None
        if len(args) > 1 and args[-1].isascii() and args[-1].isdigit():
            turn = max(0, int(args.pop()[:9]) - 1)
        game = records.read(" ".join(args))
        self.engine.load(game, min(turn, len(game.moves)) if turn is not None else None)
        return "black" if self.engine.to_move == BLACK else "white"

    def _printsgf(self, args: list[str]) -> str:
        """printsgf [FILE]: the game as SGF; "-" is no file, as with GNU Go and KataGo."""
        text, name = sgf_text(self.engine.game()), " ".join(args)
        if name in ("", "-"):
            return text
        if not Path(name).name:
            raise BoardnetError(f"{name} is a folder: name a file")
        writing.put(Path(name), f"{text}\n".encode())
        return ""

    # The network

    def _raw_nn(self, args: list[str]) -> str:
        """KataGo's: the policy for the next move, row by row from the top. Symmetry 0, or all."""
        if args and args[0].lower() in _COLOURS:
            colour, args = self._colour(args), args[1:]
        else:
            colour = self.engine.to_move
        if len(args) > 1 or (args and args[0] not in ("0", "all")):
            raise BoardnetError("the symmetry is 0 or all")
        several = 8 if args == ["all"] else 1
        found = self.engine.predict(colour, symmetries=several, top=1)
        cells = [f"{prior:.6f}" if prior >= 0 else "NAN" for prior in found.policy[:-1]]
        columns = found.columns
        lines = [" ".join(cells[at : at + columns]) for at in range(0, len(cells), columns)]
        which = "all" if several == 8 else "0"
        head = [f"symmetry {which}"]
        if found.winrate is not None:
            white = found.winrate if colour == WHITE else 1 - found.winrate
            head += [f"whiteWin {white:.6f}", f"whiteLoss {1 - white:.6f}"]
        return "\n".join([*head, "policy", *lines, f"policyPass {found.policy[-1]:.6f}"])

    def _analyze(self, args: list[str], form: Form, *, play: bool = False) -> Analysis:
        """[COLOUR] [INTERVAL] [WORD VALUE...]; the interval in hundredths of a second."""
        colour, interval, most = self.engine.to_move, 100.0, 0
        ruled: list[tuple[str, list[str]]] = []
        words = list(args)
        while words:
            word = words.pop(0).lower()
            if word in _COLOURS:
                colour = _COLOURS[word]
            elif word.replace(".", "", 1).isdigit() and word.isascii():
                interval = _number(word, "syntax error")
            elif word == "interval":
                interval = _number(words.pop(0) if words else "", "syntax error")
            elif word in ("maxmoves", "minmoves"):
                number = _whole(words.pop(0) if words else "", "syntax error")
                if number < 0:
                    raise BoardnetError("syntax error")
                most = number if word == "maxmoves" else most
            elif word in ("avoid", "allow"):
                ruled.append((word, words[:3]))
                del words[:3]
            elif word in _IGNORED:
                del words[:1]
            else:
                raise BoardnetError("syntax error")
        avoid = self._avoided(ruled, colour)
        prediction = self.engine.predict(colour)
        left = [one for one in prediction.candidates if one.point not in avoid]
        if not left:
            raise BoardnetError("every move is to be avoided")
        prediction = replace(prediction, candidates=tuple(left[: most or None]))
        line = form(prediction, self.engine.winrates(prediction, VALUED))
        if not play:
            return Analysis(line, max(interval, 1.0) / 100)
        return Analysis(f"{line}\nplay {self._played(colour, avoid)}", None)

    def _avoided(self, ruled: list[tuple[str, list[str]]], colour: int) -> set[Point | None]:
        """Moves of `colour` that `avoid` names, or `allow` does not: COLOUR POINT,POINT... UNTIL.

        Until which move or depth makes no difference to one look.
        """
        rows, columns = range(self.engine.rows), range(self.engine.columns)
        every: set[Point | None] = {None, *((row, column) for row in rows for column in columns)}
        found: set[Point | None] = set()
        for word, args in ruled:
            if len(args) < 3 or _whole(args[2], "syntax error") < 1:
                raise BoardnetError("syntax error")
            points = {self._point(name) for name in args[1].split(",")}
            if self._colour(args) == colour:
                found |= points if word == "avoid" else every - points
        return found


class Analysis:
    """What is told while nobody says anything. seconds: how often; None for once."""

    def __init__(self, line: str, seconds: float | None) -> None:
        self.line, self.seconds = line, seconds


_IGNORED = {"ownership", "ownershipstdev", "movesownership", "movesownershipstdev", "pvvisits",
            "pvedgevisits", "rootinfo"}  # fmt: skip


def serve(session: Session, lines: Iterable[bytes], write: Callable[[str], None]) -> None:
    """Talk until `quit` or the end of the input. write: says a text at once."""
    heard: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_listen, args=(lines, heard), daemon=True).start()
    while not session.over and (line := heard.get()) is not None:
        answered = session.answer(line)
        if answered is None:
            continue
        said, analysis = answered
        write(said)
        if analysis is not None:
            write(f"{analysis.line}\n")
            while analysis.seconds is not None and not _waits(heard, analysis.seconds):
                write(f"{analysis.line}\n")
            write("\n")


def _listen(lines: Iterable[bytes], heard: queue.Queue[str | None]) -> None:
    for line in lines:
        heard.put(line.decode("utf-8", "surrogateescape"))
    heard.put(None)


def _waits(heard: queue.Queue[str | None], seconds: float) -> bool:
    """Whether something is said within that time; it stays in the queue."""
    with heard.not_empty:
        return bool(heard.queue) or (heard.not_empty.wait(seconds) and bool(heard.queue))


def _kata_line(prediction: Prediction, winrates: Winrates) -> str:
    return " ".join(
        f"info move {name} visits {_visits(prior)}{_said(' winrate {:.4f}', chance)}"
        f" prior {prior:.6f} order {order} pv {name}"
        for order, name, prior, chance in _ranked(prediction, winrates)
    )


def _lz_line(prediction: Prediction, winrates: Winrates) -> str:
    """Leela Zero's: shares are whole numbers, in ten-thousandths."""
    return " ".join(
        f"info move {name} visits {_visits(prior)}{_said(' winrate {:.0f}', chance, 10_000)}"
        f" prior {round(prior * 10_000)} order {order} pv {name}"
        for order, name, prior, chance in _ranked(prediction, winrates)
    )


def _said(form: str, chance: float | None, times: float = 1.0) -> str:
    return "" if chance is None else form.format(chance * times)


def _ranked(
    prediction: Prediction, winrates: Winrates
) -> Iterator[tuple[int, str, float, float | None]]:
    """Order, name, prior and winrate; where there is a value, only moves that it was asked about,
    for programs that take a winrate for given (Sabaki)."""
    moves = prediction.candidates
    chances = winrates if prediction.winrate is not None else [None] * len(moves)
    for order, (one, chance) in enumerate(zip(moves, chances, strict=False)):
        yield order, vertex(one.point, prediction.rows), one.prior, chance


def _visits(prior: float) -> int:
    return max(1, round(prior * 1000))


def _stones(args: Sequence[str]) -> int:
    return _whole(args[0] if args else "", "handicap not an integer")


def _whole(text: str, wrong: str) -> int:
    if not (text.isascii() and text.lstrip("+-").isdigit() and len(text) < 10):
        raise BoardnetError(wrong)
    try:
        return int(text)
    except ValueError:
        raise BoardnetError(wrong) from None


def _number(text: str, wrong: str) -> float:
    try:
        found = float(text)
    except ValueError:
        raise BoardnetError(wrong) from None
    if not abs(found) < 1e9:
        raise BoardnetError(wrong)
    return found


def _tidy(text: str) -> str:
    """An answer without an empty line in it, which would end it, nor control characters."""
    lines = [_CONTROL.sub("", line).rstrip() for line in text.split("\n")]
    first, *rest = lines
    return "\n".join([first, *(line for line in rest if line)])
