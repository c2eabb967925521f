"""SGF: from the bytes of a file to game trees, and from a tree's text to its nodes.

Nothing here knows Go: `records` gives the properties their meaning. Nothing here recurses, so a
tree may be nested as deeply as it likes. A tree stays text until its nodes are asked for, and
every node knows where it stands in that text.

The grammar is read as generously as is safe: names in old long form (only their capitals count),
prose around and between trees, a first node without its semicolon, a tree that is never closed.
"""

import re
from collections.abc import Generator, Iterator
from typing import BinaryIO, NamedTuple

from boardnet.decoding import CHUNK, Decoder

LONGEST = 1 << 24  # characters of what may be a variation after all, see `_end_of_tree`
PATIENCE = 8  # trees of a file that were found to be unclosed by reading on

# Possessive quantifiers (*+): long comments are never walked back over.
_VALUE = r"\[[^\]\\]*+(?:\\.[^\]\\]*+)*+\]"
# What opens like a game but has a sign there and no value up to its ")" is a smiley, as (;-).
_TREE = re.compile(r"\((?!;[^\w\s;()\[\]][^()\[\]]*+\))(?=\s*+(?:;|[A-Z]{1,2}\s*+\[))")
_ROOT = re.compile(r"\(\s*+;\s*+(?:GM|FF|SZ|CA)\s*+\[")
_TO_PAREN = re.compile(rf"[^()\[]*+(?:{_VALUE}[^()\[]*+)*+", re.DOTALL)
_NODE = re.compile(r"[\s(]*+;?+\s*+")
NO_NODE = re.compile(r"[^();\[\]]*+\)")  # behind a "(": brackets without a node, or with some text
_PROPERTY = re.compile(rf"([A-Za-z][A-Za-z0-9_]*+)\s*+((?:{_VALUE}\s*+)++)", re.DOTALL)
_EACH_VALUE = re.compile(r"\[([^\]\\]*+(?:\\.[^\]\\]*+)*+)\]", re.DOTALL)
_JUNK = re.compile(rf"(?:{_VALUE}|\[.*+|.)\s*+(?:(?![A-Z]{{1,2}}\s*+\[)[^;()\[])*+", re.DOTALL)
_SMALL = re.compile("[^A-Z]+")


class Tree(NamedTuple):
    """One game tree of a file, still as text.

    text: from its "(" to the matching ")", or to the end of the file if it is never closed.
    number: which tree of its file, from 1. line, column: of its first character, from 1.
    """

    text: str
    number: int
    line: int
    column: int
    closed: bool

    def place(self, offset: int) -> str:
        """Where in the file `text[offset]` stands.

        >>> Tree("(;B[aa]\\n;W[bb])", 1, 7, 3, True).place(9)
        'line 8, column 2'
        """
        lines = self.text.count("\n", 0, offset)
        column = offset - self.text.rfind("\n", 0, offset) if lines else self.column + offset
        return f"line {self.line + lines}, column {column}"


class Node(NamedTuple):
    """One node of a tree.

    properties: (name, raw values between their brackets), in the order of the file.
    start, end: the node is text[start:end].
    junk: where in the text the first thing stands that is no property; -1 if there is none.
    """

    properties: list[tuple[str, list[str]]]
    start: int
    end: int
    junk: int


def read_node(text: str, position: int) -> Node | None:
    """The node at `position`, or past the opening brackets there; None before a closing one.

    So to read on from the end of each node follows the first variation at every fork, and the
    first None ends a tree's main line. Brackets that hold no node are passed over.

    >>> read_node("(;AddBlack[aa][bb]PL[W] ;W[cc])", 0)
    Node(properties=[('AB', ['aa', 'bb']), ('PL', ['W'])], start=2, end=24, junk=-1)
    """
    while True:
        begin = _NODE.match(text, position)
        assert begin is not None  # it may match nothing, but it always matches
        start = end = begin.end()
        if start == len(text):
            return None
        if ";" in begin[0]:
            break
        if text[start] == ")" and "(" not in begin[0]:
            return None
        # Brackets with no node in them, and be it some text, are no variation.
        empty = NO_NODE.match(text, start) if "(" in begin[0] else None
        if empty is None:
            break
        position = empty.end()
    properties: list[tuple[str, list[str]]] = []
    junk = -1
    while end < len(text) and text[end] not in ";()":
        found = _PROPERTY.match(text, end)
        if found is None:
            junk = end if junk < 0 else junk
            found = _JUNK.match(text, end)
            assert found is not None  # it matches any character
        else:
            name, values = found.groups()
            if not name.isupper():
                name = _SMALL.sub("", name)
            properties.append((name, _EACH_VALUE.findall(values)))
        end = found.end()
    return Node(properties, start, end, junk)


def lines(tree: Tree) -> Iterator[Tree]:
    """The lines of play of a tree, each as a tree without forks: first the main line, then every
    variation to its end, in the order of the file.

    >>> [one.text for one in lines(Tree("(;B[aa](;W[bb])(;W[cc](;B[a])(;B[b])))", 1, 1, 1, True))]
    ['(;B[aa];W[bb])', '(;B[aa];W[cc];B[a])', '(;B[aa];W[cc];B[b])']
    """
    text = tree.text
    kept: list[str] = []  # the nodes from the first to here, in pieces
    opened: list[int] = []  # how many pieces there were at each bracket that is open
    position, leaf = 0, False
    while position <= len(text):
        found = _TO_PAREN.match(text, position)
        assert found is not None  # it may match nothing, but it always matches
        end = found.end()
        piece = text[position:end].strip()
        if end < len(text) and text[end] == "[":  # a value without an end
            piece, end = text[position:].strip(), len(text)
        if piece:
            kept.append(piece)
            leaf = True
        if end < len(text) and text[end] == "(":
            if empty := NO_NODE.match(text, end + 1):
                position = empty.end()
                continue
            opened.append(len(kept))
        elif leaf:
            yield tree._replace(text=f"({''.join(kept)})")
            leaf = False
        if end < len(text) and text[end] == ")" and opened:
            del kept[opened.pop() :]
        position = end + 1


def ends(text: str, node: Node) -> Iterator[tuple[str, int]]:
    """Where in the text each property of a node ends, after its last bracket.

    >>> list(ends("(;B[aa] C[x] ;", read_node("(;B[aa] C[x] ;", 0)))
    [('B', 7), ('C', 12)]
    """
    at = node.start
    while at < node.end:
        found = _PROPERTY.match(text, at)
        if found is None:
            found = _JUNK.match(text, at)
            assert found is not None  # it matches any character
        else:
            yield _SMALL.sub("", found[1]), at + len(found[0].rstrip())
        at = found.end()


def trees(stream: BinaryIO) -> Generator[Tree, None, tuple[int, int]]:
    """The game trees of a file, one by one, in the memory that the longest of them takes.

    Bytes that do not fit a game's encoding become surrogates (PEP 383); NULs are left out.
    Returns how many bytes the file has, and how many trees.
    """
    decoder = Decoder()
    text, size, number, line, column = "", 0, 0, 1, 1
    final = False
    unclosed = 0
    while not final:
        # What an unfinished tree takes is doubled each time, so looking for its end from its
        # start again costs no more than reading it.
        data = stream.read(max(CHUNK, len(text)))
        size += len(data)
        final = not data
        text += decoder.decode(data, final).replace("\0", "")
        done = 0
        while (start := _TREE.search(text, done)) is not None:
            end, closed, read = _end_of_tree(text, start.start(), unclosed < PATIENCE)
            if read == len(text) and not (closed or final):
                break
            unclosed += not closed
            line, column = _advance(text, done, start.start(), line, column)
            number += 1
            yield Tree(text[start.start() : end], number, line, column, closed)
            line, column = _advance(text, start.start(), end, line, column)
            done = end
        if start is None:
            # A start may be cut in two: keep a last "(" that nothing but blanks follows.
            keep = len(text.rstrip()) - 1
            keep = keep if keep >= done and text[keep] == "(" else len(text)
            line, column = _advance(text, done, keep, line, column)
            done = keep
        text = text[done:]
    return size, number


def cut(text: str) -> Iterator[tuple[int, Tree]]:
    """The game trees of a text that is in memory, and where in it each starts.

    >>> [(start, tree.text) for start, tree in cut("a mail: (;B[aa]) and (;B[bb])")]
    [(8, '(;B[aa])'), (21, '(;B[bb])')]
    """
    number, done, line, column = 0, 0, 1, 1
    unclosed = 0
    while (start := _TREE.search(text, done)) is not None:
        end, closed, _ = _end_of_tree(text, start.start(), unclosed < PATIENCE)
        unclosed += not closed
        line, column = _advance(text, done, start.start(), line, column)
        number += 1
        yield start.start(), Tree(text[start.start() : end], number, line, column, closed)
        line, column = _advance(text, start.start(), end, line, column)
        done = end


def _end_of_tree(text: str, position: int, patient: bool) -> tuple[int, bool, int]:
    """Where the tree that starts at `position` ends, whether its last bracket is there, and how far
    the text was read to know it.

    A tree that is never closed ends where the next one starts, which is told by a property that
    only a first node has. Some variations have one, too: so if `patient` it is read on for the
    tree's last bracket, as far as LONGEST. (A file of nothing but unclosed trees would be read
    again for each of them: hence PATIENCE.)
    """
    depth = 0
    other = -1  # where the next tree may start
    while True:
        skipped = _TO_PAREN.match(text, position)
        assert skipped is not None  # it may match nothing, but it always matches
        position = skipped.end()
        if position == len(text) or text[position] == "[":  # the end, or a value without one
            return (len(text) if other < 0 else other), False, len(text)
        if text[position] == ")":
            depth -= 1
        else:
            if depth > 0 and other < 0 and _ROOT.match(text, position):
                other = position
            depth += 1
        position += 1
        if depth == 0:
            return position, True, position
        if other >= 0 and (not patient or position - other > LONGEST):
            return other, False, position


def _advance(text: str, start: int, end: int, line: int, column: int) -> tuple[int, int]:
    """Line and column of text[end], given those of text[start]."""
    lines = text.count("\n", start, end)
    if lines == 0:
        return line, column + end - start
    return line + lines, end - text.rfind("\n", start, end)
