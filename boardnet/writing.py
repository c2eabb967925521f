"""Writing: a game as SGF text (FF 4)."""

from itertools import groupby

from boardnet.game import MOVE, Game
from boardnet.properties import LETTERS
from boardnet.rules import BLACK, EMPTY, WHITE
from boardnet.vertices import Point


def sgf_text(game: Game) -> str:
    """One game, without variations; stones that were set up before the first move in its root.

    >>> from boardnet.records import parse
    >>> sgf_text(parse(b"(;SZ[9]KM[5.5]AB[ee];W[cc];B[])")[0])
    '(;GM[1]FF[4]CA[UTF-8]AP[boardnet]SZ[9]KM[5.5]AB[ee];W[cc];B[])'
    """
    size = f"{game.columns}" if game.rows == game.columns else f"{game.columns}:{game.rows}"
    parts = [f"(;GM[1]FF[4]CA[UTF-8]AP[boardnet]SZ[{size}]"]
    if game.komi is not None:
        parts.append(f"KM[{game.komi:g}]")
    said = {"HA": str(game.handicap or ""), "PB": game.black, "PW": game.white,
            "BR": game.black_rank, "WR": game.white_rank, "DT": game.date, "EV": game.event,
            "RU": game.rules, "RE": game.result}  # fmt: skip
    parts += [f"{name}[{escaped(value)}]" for name, value in said.items() if value]
    # A node holds moves or set-up stones, not both, and each property once; the root is a set-up.
    for number, (kind, group) in enumerate(groupby(game.actions, key=lambda action: action.kind)):
        if kind == MOVE:
            parts += [
                f";{'B' if one.colour == BLACK else 'W'}[{sgf_point(one.point)}]" for one in group
            ]
            continue
        placed = {one.point: one.colour for one in group}  # the last word on each point
        parts.append(";" if number else "")
        for colour, name in ((EMPTY, "AE"), (BLACK, "AB"), (WHITE, "AW")):
            points = [f"[{sgf_point(point)}]" for point, what in placed.items() if what == colour]
            parts.append(name + "".join(points) if points else "")
    # After a move it is the other side's turn; only what differs from that has to be said.
    if game.player != EMPTY and (not game.moves or game.moves[-1].colour == game.player):
        apart = game.actions and game.actions[-1].kind == MOVE
        parts.append(f"{';' if apart else ''}PL[{'B' if game.player == BLACK else 'W'}]")
    return "".join(parts) + ")"


def sgf_point(point: Point | None) -> str:
    """Two letters, column first; nothing for a pass.

    >>> sgf_point((3, 15)), sgf_point(None)
    ('pd', '')
    """
    return "" if point is None else LETTERS[point[1]] + LETTERS[point[0]]


def escaped(text: str) -> str:
    """A value's text as it stands between brackets.

    >>> escaped("a] b\\\\c")
    'a\\\\] b\\\\\\\\c'
    """
    return text.replace("\\", "\\\\").replace("]", "\\]")
