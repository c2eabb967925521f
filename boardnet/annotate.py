"""Annotating: what a review says, put into the record's own text.

Nothing that was in the file is changed: bytes are only inserted, and only ASCII, so that every
property, variation, comment and encoding stays as it was, other games of the file included.
Under each move a comment says how expected it was; labels A, B, C... show the likeliest next moves,
on the last node before the next one, where every stone is set up that it was predicted with.
With a calibrated value, SBKV has Black's chance to win in percent, which Sabaki draws as a graph.
"""

from __future__ import annotations

from collections.abc import Iterator

from boardnet import sgf
from boardnet.errors import BoardnetError
from boardnet.predictor import Candidate
from boardnet.review import Played, Review
from boardnet.rules import BLACK
from boardnet.sgf_tree import decoded, encoded
from boardnet.vertices import vertex
from boardnet.writing import escaped, sgf_point

LABELS = "ABCDE"
_LEAST = 0.01  # what is less likely gets no label
_MARKS = ("LB", "TR", "SQ", "CR", "MA", "SL")  # a point bears one of these at most


def annotated(data: bytes, review: Review, number: int = 1) -> bytes:
    """The file `data` with a review of its game `number`, counted from 1.

    Raises BoardnetError if the file's encoding is so broken that its bytes cannot be kept.
    """
    mark, text, codec = decoded(data)
    if not codec:
        raise BoardnetError("the games of this file are in several encodings: save it as UTF-8")
    if mark + encoded(text, codec) != data:
        raise BoardnetError("the bytes of this record do not fit its encoding: save it as UTF-8")
    begin, tree = _tree(text, number)
    parts, done = [], 0
    for offset, inserted in _insertions(tree, review):
        parts += [text[done : begin + offset], inserted]
        done = begin + offset
    return mark + encoded("".join([*parts, text[done:]]), codec)


def _tree(text: str, number: int) -> tuple[int, sgf.Tree]:
    """Where a game begins in the text of its file, and its tree."""
    if "\0" in text:
        raise BoardnetError("this record has NUL bytes in it: save it as UTF-8")
    for start, tree in sgf.cut(text):
        if tree.number == number:
            return start, tree
    raise BoardnetError(f"there is no game {number} in this file")


def _insertions(tree: sgf.Tree, review: Review) -> Iterator[tuple[int, str]]:
    """What comes where in the tree's text, in order."""
    played = {one.number: one for one in review.played}
    rows = review.game.rows
    moves = 0
    nodes = list(_main_line(tree.text))
    for k, node in enumerate(nodes):
        own = _colours(node)
        numbers = range(moves + 1, moves + 1 + len(own))
        said = [_comment(played[number], rows) for number in numbers if number in played]
        moves += len(own)
        if k == 0 and not own:
            said.append(_summary(review))
        labels, chance = "", None
        # Nodes without a move may set up stones, which the next prediction was made with.
        if k + 1 == len(nodes) or _colours(nodes[k + 1]):
            labels = _labels(played[moves + 1], node) if moves + 1 in played else ""
            chance = review.black_wins(moves) if 0 < moves < len(review.boards) else None
        yield from _into(tree.text, node, "\n".join(said), labels, chance)


def _main_line(text: str) -> Iterator[sgf.Node]:
    position = 0
    while (node := sgf.read_node(text, position)) is not None:
        position = node.end
        yield node


def _colours(node: sgf.Node) -> set[str]:
    """Who moves in a node; both may."""
    return {name for name, _ in node.properties if name in ("B", "W")}


def _into(
    text: str, node: sgf.Node, comment: str, labels: str, chance: float | None
) -> Iterator[tuple[int, str]]:
    """Insertions in one node: at the end of what is there already, else as new properties."""
    spans = {name: end for name, end in sgf.ends(text, node)}
    last = max(spans.values(), default=node.start)
    wanted = [("C", comment), ("LB", labels)]
    found: list[tuple[int, str]] = []
    for name, value in wanted:
        if not value:
            continue
        if name == "C":
            value = escaped(value)
            if name in spans:  # before the comment's closing bracket
                found.append((spans[name] - 1, f"\n\n{value}"))
            else:
                found.append((last, f"C[{value}]"))
        else:
            found.append((spans[name], value) if name in spans else (last, f"LB{value}"))
    if chance is not None and "SBKV" not in spans:
        found.append((last, f"SBKV[{chance * 100:.2f}]"))
    yield from sorted(found, key=lambda one: one[0])


def _labels(following: Played, node: sgf.Node) -> str:
    """The likeliest next moves, in brackets, but on points that bear a mark already."""
    marked = {value[:2] for name, values in node.properties if name in _MARKS for value in values}
    points = [(label, sgf_point(one.point)) for label, one in _named(following)]
    return "".join(f"[{point}:{label}]" for label, point in points if point not in marked)


def _named(played: Played) -> list[tuple[str, Candidate]]:
    likely = [one for one in played.expected if one.point is not None and one.prior >= _LEAST]
    return list(zip(LABELS, likely, strict=False))


def _comment(played: Played, rows: int) -> str:
    name = vertex(played.point, rows)
    expected = ", ".join(
        f"{label} {vertex(one.point, rows)} {one.prior:.0%}" for label, one in _named(played)
    )
    where = "the likeliest" if played.rank == 0 else f"number {played.rank + 1} of the likely"
    player = "Black" if played.player == BLACK else "White"
    return (
        f"{player} {name}: {played.prior:.1%}, {where}; surprise {played.surprise:.1f} nats."
        f"\nExpected: {expected or 'nothing in particular'}."
    )


def _summary(review: Review) -> str:
    lines = ["boardnet: how expected the moves were to strong players (mean surprise in nats)."]
    for score in review.scores:
        if score.phase == "game":
            player = "Black" if score.player == BLACK else "White"
            lines.append(
                f"{player}: {score.nats:.2f}; {score.top1:.0%} the likeliest move,"
                f" {score.top5:.0%} among the five likeliest."
            )
    return "\n".join(lines)
