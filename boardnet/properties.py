"""Properties: what the properties of an SGF tree mean for Go, from sgf.Tree to Game.

The main line only: the first variation at every fork. Whether a move is legal is for `rules` to
say; here only points that do not exist are refused.

A person's reading comes before the standard's: what is odd but clear is repaired and noted in
Game.notes, what is not clear raises Unusable with the place.
"""

import re
from array import array
from functools import lru_cache
from itertools import takewhile
from typing import NamedTuple

from boardnet.errors import BoardnetError
from boardnet.game import COLOUR_SHIFT, MOVE, SETUP, SETUP_BIT, Action, Actions, Game, packed
from boardnet.rules import BLACK, EMPTY, WHITE
from boardnet.sgf import Node, Tree, read_node
from boardnet.vertices import Point, parse_vertex

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
MAX_SIZE = len(LETTERS)  # rows or columns
MAX_SETUP = 1_000_000  # stones: rectangles could say billions in a small file

_COLOURS = {"B": BLACK, "W": WHITE}
_SETUP = {"AB": BLACK, "AW": WHITE, "AE": EMPTY}
_TEXTS = {
    "PB": "black",
    "PW": "white",
    "BR": "black_rank",
    "WR": "white_rank",
    "RE": "result",
    "DT": "date",
    "RU": "rules",
    "EV": "event",
    "GN": "name",
}
_HEADER = _TEXTS.keys() | {"GM", "SZ", "KM", "HA"}
_GAMES = {"2": "Othello", "3": "chess", "4": "Gomoku", "7": "Chinese chess", "8": "Shogi"}

_SPELT = "points are written in another way than SGF's, and were understood"

# Nearly all of nearly all records is nodes of one plain move; to take a run of them at once reads
# them several times faster than node by node.
_PLAIN_NODES = re.compile(r"(?:[\s(]*+;\s*+[BW]\[[a-z]{0,2}\](?=\s*+[;()]))++")
_PLAIN_MOVE = re.compile(r"[BW]\[[a-z]*\]")

_SIZE = re.compile(r"\+?(\d{1,9})(?!\d)\s*(?:[:xX,]\s*(\d{1,9})(?!\d))?")
_NUMBER = re.compile(r"[-+]?(?:\d+(?:[.,]\d*)?|[.,]\d+)")
_SOFT_BREAK = re.compile(r"\\(?:\r\n|\n\r|\n|\r)")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Unusable(Exception):
    """Why no game can be made of a tree, and where in its text: an offset."""

    def __init__(self, problem: str, offset: int) -> None:
        super().__init__(problem)
        self.offset = offset


class _Tables(NamedTuple):
    """For one size: the point for each value ("pd"), the code for each plain move ("B[pd]"), and
    for each node of one (";B[pd]")."""

    points: dict[str, Point]
    moves: dict[str, int]
    nodes: dict[str, int]


@lru_cache(maxsize=64)
def _tables(rows: int, columns: int) -> _Tables:
    points = {LETTERS[c] + LETTERS[r]: (r, c) for r in range(rows) for c in range(columns)}
    played: dict[str, Point | None] = {"": None, **points}
    # Older records write a pass as [tt] on boards up to 19x19; newer ones leave it empty.
    if rows <= 19 and columns <= 19:
        played["tt"] = None
    moves = {
        f"{name}[{value}]": packed(Action(MOVE, colour, point), columns)
        for name, colour in _COLOURS.items()
        for value, point in played.items()
    }
    return _Tables(points, moves, {f";{move}": code for move, code in moves.items()})


def game_of(tree: Tree) -> Game:
    """The game that a tree records. Raises Unusable."""
    root = read_node(tree.text, 0)
    if root is None:
        raise Unusable("the record breaks off before it says anything", 0)
    reading = _Reading(tree, root)
    reading.follow(root)
    if not (root.properties or reading.codes) and (reading.odd or not tree.closed):
        raise Unusable("this is no SGF: there is not one property in it", 0)
    return reading.game()


class _Reading:
    """One walk along a main line, and what was seen on it so far."""

    def __init__(self, tree: Tree, root: Node) -> None:
        self.tree = tree
        self.codes = array("H")  # see `boardnet.game`
        self.header: dict[str, tuple[str, int]] = {}  # value, offset of its node
        self.comments: dict[int, str] = {}  # after so many moves
        self.turn = 0
        self.player = EMPTY
        self.stones_set_up = 0
        self.odd: dict[str, tuple[int, int]] = {}  # what: how often, where first
        self.collect(root)
        self.check_kind()
        self.rows, self.columns = self.size()
        self.tables = _tables(self.rows, self.columns)

    def note(self, what: str, offset: int) -> None:
        """Remember something odd; what happens a thousand times becomes one note."""
        times, first = self.odd.get(what, (0, offset))
        self.odd[what] = times + 1, first

    def follow(self, root: Node) -> None:
        """Walk the main line from its first node to its last."""
        text, node = self.tree.text, root
        self.obey(root)
        position = root.end
        while True:
            position = self.plain_moves(position)
            following = read_node(text, position)
            if following is None:
                break
            if ")" in text[position : following.start]:
                self.note("brackets without a node were skipped", position)
            node = following
            self.collect(node)
            self.obey(node)
            position = node.end
        if not self.tree.closed:
            self.note("the record breaks off; what is there was used", position)

    def plain_moves(self, position: int) -> int:
        """Take the nodes of one plain move at `position`; returns where they end."""
        position = self.plainest_moves(position)
        run = _PLAIN_NODES.match(self.tree.text, position)
        if run is None:
            return position
        moves, tokens = self.tables.moves, _PLAIN_MOVE.findall(run[0])
        try:
            self.codes.extend([moves[token] for token in tokens])
        except KeyError:
            for token in _PLAIN_MOVE.finditer(self.tree.text, position, run.end()):
                if token[0] not in moves:
                    raise self.no_point(token[0], token.start()) from None
                self.codes.append(moves[token[0]])
                self.turn += 1
        else:
            self.turn += len(tokens)
        self.player = EMPTY
        return run.end()

    def plainest_moves(self, position: int) -> int:
        """The same for nodes of exactly six letters, ";B[pd]": nearly all of nearly all records.
        A pattern takes three times as long for them."""
        text, moves = self.tree.text, self.tables.nodes
        found: list[int] = []
        for at in range(position, len(text), 6):
            code = moves.get(text[at : at + 6])
            if code is None:
                # The last may be a node that goes on.
                if found and text[at : at + 1] not in (";", "(", ")"):
                    found.pop()
                break
            found.append(code)
        self.codes.extend(found)
        self.turn += len(found)
        self.player = EMPTY if found else self.player
        return position + 6 * len(found)

    def collect(self, node: Node) -> None:
        """Note what a node says about the game as a whole; the first to say a thing is right."""
        if node.junk >= 0:
            self.note("something that is not SGF was skipped", node.junk)
        for name, values in node.properties:
            if not name:
                self.note("a property without capitals in its name was skipped", node.start)
            if name in _HEADER:
                self.header.setdefault(name, (values[0], node.start))

    def obey(self, node: Node) -> None:
        """Do what a node does to the board: set up stones first, then move."""
        moves: list[tuple[str, str]] = []
        setup = False
        player = EMPTY
        said: list[str] = []
        for name, values in node.properties:
            if name in _COLOURS:
                moves += [(name, value) for value in values]
            elif name in _SETUP:
                setup = True
                for value in values:
                    self.set_up(name, value, node.start)
            elif name == "PL":
                player = _COLOURS.get(_plain(values[0])[:1].upper(), EMPTY)
                if player == EMPTY:
                    self.note(f"{_shown(name, values[0])} names no player", node.start)
            elif name == "C":
                said += filter(None, map(text_of, values))
        if len(moves) > 1 or (moves and setup):
            self.note("one node has several moves, or a move and set-up stones", node.start)
        played = set()
        for name, value in moves:
            # Two values for one colour contradict each other; one move of each side may be meant.
            if name not in played:
                self.move(name, value, node.start)
            played.add(name)
        self.player = player or self.player
        if said:
            before = [self.comments[self.turn]] if self.turn in self.comments else []
            self.comments[self.turn] = "\n".join(before + said)

    def move(self, name: str, value: str, offset: int) -> None:
        value = _plain(value)
        value = "" if value.lower() == "pass" else value
        moves = self.tables.moves
        if value.lower() == "tt" != value and moves.get(f"{name}[tt]") == moves[f"{name}[]"]:
            value = ""  # the older way to pass, in capitals
            self.note(_SPELT, offset)
        code = moves.get(f"{name}[{value}]")
        if code is None:
            point = self.point(value, _shown(name, value), offset)
            code = packed(Action(MOVE, _COLOURS[name], point), self.columns)
        self.codes.append(code)
        self.turn += 1
        self.player = EMPTY

    def point(self, value: str, shown: str, offset: int) -> Point:
        """The point that `value` names, also in a spelling that SGF does not have.

        "PD" is "pd" where there are not so many columns, "p d" has a line break in it, and "Q16"
        (the first form of SGF, and programs that write what they show) can mean nothing else.
        """
        small = "".join(value.split()).lower()
        found = self.tables.points.get(value) or self.tables.points.get(small)
        if found is None:
            try:
                found = parse_vertex(small, self.rows, self.columns)
            except BoardnetError:
                raise self.no_point(shown, offset) from None
            assert found is not None  # "pass" is no point, and no move gets here with it
        if value not in self.tables.points:
            self.note(_SPELT, offset)
        return found

    def set_up(self, name: str, value: str, offset: int) -> None:
        """Put stones on one point, or on the rectangle between two corners ("aa:cc")."""
        value = _plain(value)
        if not value:
            self.note(f"{name}[] names no point", offset)
            return
        first, _, last = (part.strip() for part in value.partition(":"))
        shown = _shown(name, value)
        start = self.point(first, shown, offset)
        stop = self.point(last, shown, offset) if last else start
        top, bottom = sorted((start[0], stop[0]))
        left, right = sorted((start[1], stop[1]))
        self.stones_set_up += (bottom + 1 - top) * (right + 1 - left)
        if self.stones_set_up > MAX_SETUP:
            raise Unusable(f"more than {MAX_SETUP} stones are set up", offset)
        self.codes.extend(
            packed(Action(SETUP, _SETUP[name], (row, column)), self.columns)
            for row in range(top, bottom + 1)
            for column in range(left, right + 1)
        )

    def no_point(self, shown: str, offset: int) -> Unusable:
        board = f"{self.columns}x{self.rows} board"
        after = f", after move {self.turn}" if self.turn else ""
        return Unusable(f"{shown} is not on the {board}{after}", offset)

    def check_kind(self) -> None:
        value, offset = self.header.get("GM", ("1", 0))
        kind = _plain(value).lstrip("0").lower()
        if kind not in ("1", "", "go") and re.match(r"1\D", kind) is None:
            other = f" ({_GAMES[kind]})" if kind in _GAMES else ""
            raise Unusable(f"this is another game than Go: {_shown('GM', value)}{other}", offset)

    def size(self) -> tuple[int, int]:
        """(rows, columns); SGF writes columns first."""
        value, offset = self.header.get("SZ", ("19", 0))
        if not value.strip():
            self.note("SZ[] says no size, so 19 was taken", offset)
            return 19, 19
        found = _SIZE.match(_plain(value))
        if found is None:
            raise Unusable(f"{_shown('SZ', value)} is no board size", offset)
        if found.end() < len(_plain(value)):
            self.note(f"{_shown('SZ', value)} was read as {found[0].strip()}", offset)
        columns, rows = int(found[1]), int(found[2] or found[1])
        if not (1 <= rows <= MAX_SIZE and 1 <= columns <= MAX_SIZE):
            allowed = f"1 to {MAX_SIZE} rows and columns can be used"
            raise Unusable(f"{_shown('SZ', value)}: boards of {allowed}", offset)
        return rows, columns

    def komi(self) -> float | None:
        """Points for White."""
        value, offset = self.header.get("KM", ("", 0))
        if not value.strip():
            return None
        found = _NUMBER.search(value)
        komi = points = float(found[0].replace(",", ".")) if found else float("inf")
        if abs(points) >= 100 and points % 25 == 0:  # Fox: hundredths
            points /= 100
        if abs(points) in (2.75, 3.25, 3.75):  # Chinese count: a stone is two points
            points *= 2
        if abs(points) > self.rows * self.columns:
            self.note(f"{_shown('KM', value)} cannot be a komi and was left out", offset)
            return None
        if points != komi:
            self.note(f"{_shown('KM', value)} was read as a komi of {points:g}", offset)
        return points

    def handicap(self) -> int:
        value, offset = self.header.get("HA", ("", 0))
        if not value.strip():
            return 0
        if re.fullmatch(r"\d{1,3}", value.strip()) is None:
            self.note(f"{_shown('HA', value)} is no number of stones and was left out", offset)
            return 0
        handicap = int(value.strip())
        kinds = [code >> COLOUR_SHIFT for code in self.codes]
        set_up = kinds.count(BLACK | SETUP_BIT >> COLOUR_SHIFT)
        moved = sum(1 for _ in takewhile(lambda kind: kind & 3 == BLACK, kinds))
        stones = max(set_up, moved)  # some programs let Black play the handicap stones
        if handicap >= 2 and stones < 2:
            self.note(f"{_shown('HA', value)} says handicap, but no stones are placed", offset)
        return handicap

    def game(self) -> Game:
        texts = {field: _text(self.header.get(name, ("", 0))[0]) for name, field in _TEXTS.items()}
        komi, handicap = self.komi(), self.handicap()
        notes = []
        for what, (times, offset) in self.odd.items():
            more = f" ({times} times; this is the first)" if times > 1 else ""
            notes.append(f"{self.tree.place(offset)}: {what}{more}")
        return Game(
            rows=self.rows,
            columns=self.columns,
            actions=Actions(self.codes, self.columns),
            player=self.player,
            komi=komi,
            handicap=handicap,
            comments=self.comments,
            notes=tuple(notes),
            **texts,
        )


def _plain(value: str) -> str:
    """A value that is no text as it was meant: escapes undone, no blanks around it.

    >>> _plain(" p\\\\d ")
    'pd'
    """
    if "\\" in value:
        value = _ESCAPED.sub(r"\1", _SOFT_BREAK.sub("", value))
    return value.strip()


def text_of(value: str) -> str:
    """A value as text of several lines: escapes undone, and nothing in it that steers a terminal.

    >>> text_of("one\\r\\ntwo \\\\] three  ")
    'one\\ntwo ] three'
    """
    value = _SOFT_BREAK.sub("", value).replace("\r\n", "\n").replace("\r", "\n")
    return "\n".join(_text(line) for line in value.split("\n")).strip()


def _text(value: str) -> str:
    """The same as one line.

    >>> _text(r"a \\] b\\: \\\\ c")
    'a ] b: \\\\ c'
    """
    if "\\" in value:
        value = _ESCAPED.sub(r"\1", _SOFT_BREAK.sub("", value))
    if not value.isprintable():
        # A surrogate stands for a byte that did not fit the file's encoding.
        value = "".join(_printable(character) for character in value)
    return value.strip()


def _printable(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        character = chr(ord(character) - 0xDC00)
    return character if character.isprintable() else " "


def _shown(name: str, value: str) -> str:
    """A property as an error shows it: one short line."""
    text = _text(value)
    return f"{name}[{text if len(text) <= 24 else text[:20] + '...'}]"
