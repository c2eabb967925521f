"""SGF as a tree of nodes: every game, variation and property of a file, to be changed and written.

For those who want more than the moves of `records.read`. No property gets lost on the way: a game
whose nodes nobody asked for is written as its text was, another node by node, each value with the
characters it had, escapes included; what is no SGF, prose between its properties say, is left out
then. Nothing here recurses, so a tree may be as deep as it likes.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from boardnet import sgf
from boardnet.decoding import Decoder
from boardnet.errors import BoardnetError
from boardnet.game import Game
from boardnet.properties import Unusable, game_of, text_of
from boardnet.writing import escaped
from common import writing

_NAME = re.compile("[A-Z]+")


class Node:
    """One node: its properties, its variations, where it hangs.

    properties: (name, values) in the order of the file, values as they stand between brackets.
    parent: None for the first node. children: the first goes on with the main line.
    """

    __slots__ = ("children", "parent", "properties")

    def __init__(self, properties: list[tuple[str, list[str]]] | None = None) -> None:
        self.properties = [] if properties is None else properties
        self.parent: Node | None = None
        self.children: list[Node] = []

    def raw(self, name: str) -> list[str]:
        """All values of a property as they stand between their brackets; none if it is not there.

        >>> Node([("AB", ["aa"]), ("C", ["x"]), ("AB", ["bb:cc"])]).raw("AB")
        ['aa', 'bb:cc']
        """
        return [value for own, values in self.properties if own == name for value in values]

    def text(self, name: str) -> str:
        r"""The first value of a property as text, escapes undone; "" if it is not there.

        >>> Node([("C", [r"a \] b"])]).text("C")
        'a ] b'
        """
        return text_of(next(iter(self.raw(name)), ""))

    def set(self, name: str, *values: str) -> None:
        """Give a property these values, which are escaped here; without any it is removed.

        It stays where it was among the others; a new one comes last.
        Raises BoardnetError if `name` is none that SGF allows.

        >>> node = Node([("B", ["pd"])])
        >>> node.set("C", "a] b")
        >>> str(node)
        ';B[pd]C[a\\\\] b]'
        """
        if _NAME.fullmatch(name) is None:
            raise BoardnetError(f"{name!r} cannot name a property: SGF has capitals A to Z")
        new = [(name, [escaped(value) for value in values])] if values else []
        at = next((k for k, (own, _) in enumerate(self.properties) if own == name), None)
        rest = [one for one in self.properties if one[0] != name]
        at = len(rest) if at is None else at
        self.properties = rest[:at] + new + rest[at:]

    def add(self, child: Node, at: int | None = None) -> Node:
        """Hang a node, and all below it, under this one: as the last variation or the `at`-th."""
        child.parent = self
        self.children.insert(len(self.children) if at is None else at, child)
        return child

    def detach(self) -> Node:
        """Take this node, and all below it, off the tree."""
        if self.parent is not None:
            self.parent.children = [one for one in self.parent.children if one is not self]
            self.parent = None
        return self

    def line(self) -> list[Node]:
        """The nodes from the first to this one, and on along the first variations to the end."""
        nodes: list[Node] = []
        node: Node | None = self
        while node is not None:
            nodes.append(node)
            node = node.parent
        nodes.reverse()
        while nodes[-1].children:
            nodes.append(nodes[-1].children[0])
        return nodes

    def walk(self) -> Iterator[Node]:
        """This node and all below it, in the order of the file."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += reversed(node.children)

    def __str__(self) -> str:
        values = [
            f"{name}{''.join(f'[{value}]' for value in values)}" for name, values in self.properties
        ]
        return ";" + "".join(values)


class Record:
    """One game tree of a file, with all its variations."""

    def __init__(self, tree: sgf.Tree | None = None, before: str = "") -> None:
        self._tree = tree
        self._root = None if tree is not None else Node()
        self.before = before  # what stands between the game before and this one

    @property
    def root(self) -> Node:
        """The first node. Raises BoardnetError if there is none."""
        if self._root is None:
            assert self._tree is not None  # only the nodes of a tree are not there yet
            self._root = _grown(self._tree)
        return self._root

    def nodes(self) -> Iterator[Node]:
        """All nodes, in the order of the file."""
        return self.root.walk()

    def game(self, node: Node | None = None) -> Game:
        """What `records.read` gives, for the main line, or for the line of play through `node`.

        Raises BoardnetError if it cannot be used.
        """
        nodes = (self.root if node is None else node).line()
        tree = sgf.Tree(f"({''.join(map(str, nodes))})", 1, 1, 1, closed=True)
        try:
            return game_of(tree)
        except Unusable as error:
            raise BoardnetError(f"the game cannot be used: {error}") from None

    def __str__(self) -> str:
        if self._root is None:
            assert self._tree is not None
            return self._tree.text
        parts: list[str] = []
        waiting: list[Node | str] = [")", self._root, "("]
        while waiting:
            item = waiting.pop()
            parts.append(str(item))
            if isinstance(item, Node):
                if len(item.children) == 1:
                    waiting += [item.children[0], "\n"]
                else:
                    for child in reversed(item.children):
                        waiting += [")", child, "\n("]
        return "".join(parts)


@dataclass
class Collection:
    """All games of a file.

    records: may be changed as one likes. codec: Python's name of the encoding that it is in; "" if
    its games are in several. mark: the mark of byte order before it, if any. after: what stands
    behind the last game.
    """

    records: list[Record] = field(default_factory=list)
    codec: str = "utf-8"
    mark: bytes = b""
    after: str = "\n"

    @classmethod
    def parse(cls, data: bytes, name: str = "the record") -> Collection:
        """The collection that the bytes of a file are. name: what an error calls it.

        Raises BoardnetError if there is no game.
        """
        mark, text, codec = decoded(data)
        text = text.replace("\0", "")
        found, done = cls([], codec, mark), 0
        for start, tree in sgf.cut(text):
            found.records.append(Record(tree, text[done:start]))
            done = start + len(tree.text)
        if not found.records:
            raise BoardnetError(f"{name} is not an SGF file: no game starts in it, as with '(;'")
        found.after = text[done:]
        return found

    def encode(self) -> bytes:
        """The bytes of the file: in the encoding that it was read in, or in UTF-8, which CA then
        says, if those were several or that cannot write it."""
        if self.codec:
            try:
                return self.mark + encoded(str(self), self.codec)
            except UnicodeError:
                pass
        for record in self.records:
            record.root.set("CA", "UTF-8")
        return encoded(str(self), "utf-8")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it, in folders that are made; what is there stays as it is if that fails, with a
        CommonError."""
        writing.put(Path(path), self.encode())

    def __str__(self) -> str:
        return "".join(f"{one.before}{one}" for one in self.records) + self.after


def decoded(data: bytes) -> tuple[bytes, str, str]:
    """The bytes of a file as (mark of byte order, text, codec).

    The codec gives the same bytes again, see `encoded`; where none does that reads the text, the
    codec is UTF-8, which at least writes all of it. It is "" where games are in several encodings.
    """
    decoder = Decoder()
    text = decoder.decode(data, True)
    if len(set(decoder.codecs)) > 1:
        return b"", text, ""
    codec = decoder.codecs[0] if decoder.codecs else "utf-8"
    if codec == "utf-16":
        codec = "utf-16-be" if data.startswith(codecs.BOM_UTF16_BE) else "utf-16-le"
    codec = "utf-8" if codec == "utf-8-sig" else codec
    marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF8)
    mark = next((one for one in marks if data.startswith(one)), b"")
    try:
        if mark + encoded(text, codec) == data:
            return mark, text, codec
    except UnicodeError:
        pass
    return b"", text, "utf-8"


def encoded(text: str, codec: str) -> bytes:
    """The bytes of a text; those that did not fit the encoding when it was read come back.

    Raises UnicodeError for a character that the encoding has not.
    """
    return text.encode(codec, "surrogateescape")


def _grown(tree: sgf.Tree) -> Node:
    """The nodes of a tree's text. Raises BoardnetError if there is none."""
    text = tree.text
    root: Node | None = None
    at: Node | None = None  # the node that the next one hangs under
    opened: list[Node | None] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character == "(":
            if empty := sgf.NO_NODE.match(text, position + 1):
                position = empty.end()
                continue
            opened.append(at)
        elif character == ")":
            at = opened.pop() if opened else at
        elif not character.isspace():
            read = sgf.read_node(text, position)
            if read is None:
                break
            node = Node(read.properties)
            if root is None:
                root = node
            elif at is not None:
                at.add(node)
            at, position = node, max(read.end, position + 1)
            continue
        position += 1
    if root is None:
        raise BoardnetError("the record breaks off before it says anything")
    return root
