"""Whole files: what is read and written back is the same, and what is changed is only that."""

import itertools
import lzma
from pathlib import Path

import pytest
from sgfmill import sgf as sgfmill

from boardnet import records
from boardnet.errors import BoardnetError
from boardnet.sgf_tree import Collection, Node, Record
from common.errors import CommonError

ROOT = Path(__file__).parents[2]
GAMES = sorted((ROOT / "data" / "games").glob("*.sgf"))
SHARED = ROOT.parent / "shared" / "data" / "go"

ODD = [
    "(;SZ[9]C[a \\] b\\\\]AB[aa][bb:cc];B[ee]\n ;W[cc](;B[dd]C[x];W[])(;B[ff](;W[gg])(;W[h])))",
    "A mail:\r\n(;B[aa])\r\n and (;FF[4]SZ[13](;B[bb])(;W[cc]N[ ]))\n\x1a",
    "(;AddBlack[aa]GaMe[1];Black[ee]KO[])",
    "(;B[aa](;W[bb]((;B[cc]))))",
    "(;C[]LB[aa:1][bb:\\:]AP[CGoban:3]DT[2001-02-03,04])",
    "(;B[aa]AB[bb]AB[cc]C[one]C[two]B[dd])",
    "(;GM[2]SZ[8];B[zz])(;GM[1]SZ[99])",
    "( B[aa];W[bb] )",
    "(;B[aa];W[bb](;B[cc]",
]


def opened(data: bytes) -> Collection:
    """A collection whose nodes were all looked at, so that none is written as its text was."""
    found = Collection.parse(data)
    for record in found.records:
        assert record.root.parent is None
    return found


def properties(collection: Collection) -> list[list[list[tuple[str, list[str]]]]]:
    return [[node.properties for node in record.nodes()] for record in collection.records]


def shape(record: Record) -> list[int]:
    """How many children each node has, in the order of the file."""
    return [len(node.children) for node in record.nodes()]


@pytest.mark.parametrize("text", ODD)
def test_what_was_not_looked_at_is_written_as_it_was(text: str) -> None:
    data = text.encode()
    assert Collection.parse(data).encode() == data


@pytest.mark.parametrize("text", ODD)
def test_a_round_trip_changes_no_property_and_no_byte_of_a_value(text: str) -> None:
    before = opened(text.encode())
    after = opened(before.encode())
    assert properties(after) == properties(before)
    assert list(map(shape, after.records)) == list(map(shape, before.records))


@pytest.mark.parametrize("path", GAMES, ids=lambda path: path.stem)
def test_sgfmill_finds_the_same_nodes(path: Path) -> None:
    data = path.read_bytes()
    reference = sgfmill.Sgf_game.from_bytes(opened(data).encode())
    original = sgfmill.Sgf_game.from_bytes(data)
    found = [
        [(name, node.get_raw_list(name)) for name in sorted(node.properties())]
        for game in (reference, original)
        for node in game.main_sequence_iter()
    ]
    assert found[: len(found) // 2] == found[len(found) // 2 :]
    assert len(found) > 200
    [record] = opened(data).records
    theirs = [sorted(node.properties()) for node in original.main_sequence_iter()]
    assert [sorted({name for name, _ in node.properties}) for node in record.nodes()] == theirs


@pytest.mark.parametrize(
    ("codec", "declared", "name"),
    [
        ("utf-8", "UTF-8", "古力"), ("utf-8-sig", "UTF-8", "古力"), ("gb18030", "GB2312", "古力"),
        ("cp932", "Shift_JIS", "本因坊表"), ("big5", "Big5", "許功蓋"),
        ("euc_kr", "EUC-KR", "이세돌"), ("latin-1", "ISO-8859-1", "Müller"),
        ("utf-16", "UTF-16", "古力"), ("utf-16-be", "UTF-16", "古力"),
    ],
)  # fmt: skip
def test_every_encoding_is_written_as_it_was_read(codec: str, declared: str, name: str) -> None:
    data = f"(;GM[1]CA[{declared}]PB[{name}]C[{name}];B[pd];W[dp])".encode(codec)
    assert Collection.parse(data).encode() == data
    found = opened(data)
    assert found.records[0].root.text("PB") == name
    found.records[0].root.set("PW", name)
    again = Collection.parse(found.encode())
    assert again.records[0].root.text("PW") == name
    assert again.codec == found.codec


def test_what_the_encoding_cannot_write_makes_it_utf_8() -> None:
    found = Collection.parse(f"(;CA[GB2312]PB[{'古力'}])".encode("gb18030"))
    found.codec = "latin-1"
    found.records[0].root.set("PB", "古力")
    [game] = records.parse(found.encode())
    assert game.black == "古力"
    assert b"CA[UTF-8]" in found.encode()


def test_games_in_several_encodings_are_written_in_one() -> None:
    text = "(;CA[{}]PB[古力]C[李世石];B[pd])"
    data = text.format("UTF-8").encode() + text.format("GBK").encode("gbk")
    found = Collection.parse(data)
    assert found.codec == ""
    assert [record.root.text("PB") for record in found.records] == ["古力", "古力"]
    assert found.encode().decode("utf-8") == text.format("UTF-8").replace(";B", "\n;B") * 2


def test_bytes_that_fit_no_encoding_stay() -> None:
    data = b"(;CA[UTF-8]PB[a\xff\xfeb];B[aa])"
    assert opened(data).encode().count(b"a\xff\xfeb") == 1


def test_properties_are_changed_where_they_stand() -> None:
    node = Node([("B", ["aa"]), ("C", ["x"]), ("LB", ["aa:1"])])
    node.set("C", "a] \\ b")
    assert str(node) == ";B[aa]C[a\\] \\\\ b]LB[aa:1]"
    assert node.text("C") == "a] \\ b"
    node.set("B")
    node.set("N", "new")
    assert str(node) == ";C[a\\] \\\\ b]LB[aa:1]N[new]"
    with pytest.raises(BoardnetError, match="'Cc' cannot name a property"):
        node.set("Cc", "x")


def test_variations_are_added_moved_and_taken_off() -> None:
    [record] = Collection.parse(b"(;SZ[9];B[aa](;W[bb])(;W[cc];B[dd]))").records
    fork = record.root.children[0]
    first, second = fork.children
    new = fork.add(Node([("W", ["ee"])]), 0)
    assert [one.raw("W") for one in fork.children] == [["ee"], ["bb"], ["cc"]]
    assert first.detach() is first
    assert first.parent is None
    assert str(record).replace("\n", "") == "(;SZ[9];B[aa](;W[ee])(;W[cc];B[dd]))"
    assert [str(node) for node in second.line()] == [";SZ[9]", ";B[aa]", ";W[cc]", ";B[dd]"]
    assert len(record.game().moves) == 2
    assert len(record.game(second).moves) == 3
    assert record.game(new).moves[-1].point == (4, 4)


def test_games_can_be_taken_out_and_put_in(tmp_path: Path) -> None:
    found = Collection.parse(b"prose (;SZ[9]) more (;SZ[13])(;SZ[19]) end")
    del found.records[1]
    new = Record()
    new.root.set("SZ", "7")
    found.records.append(new)
    path = tmp_path / "out.sgf"
    found.save(path)
    assert path.read_bytes() == b"prose (;SZ[9])(;SZ[19])(;SZ[7]) end"
    assert [game.rows for game in records.iterate(path)] == [9, 19, 7]
    with pytest.raises(CommonError, match="cannot write"):
        found.save(path / "out.sgf")


def test_depth_and_breadth_have_no_limit() -> None:
    deep = b"(;B[aa]" * 50_000 + b")" * 50_000
    [record] = opened(deep).records
    assert sum(1 for _ in record.nodes()) == 50_000
    assert len(record.game().moves) == 50_000
    assert sum(1 for _ in opened(opened(deep).encode()).records[0].nodes()) == 50_000
    wide = b"(;B[aa]" + b"(;W[bb])" * 50_000 + b")"
    assert len(opened(wide).records[0].root.children) == 50_000


def test_what_is_no_sgf_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "no.sgf"
    path.write_bytes(b"hello")
    with pytest.raises(BoardnetError, match=r"no\.sgf is not an SGF file"):
        records.collection(path)
    with pytest.raises(BoardnetError, match="breaks off"):
        assert Collection.parse(b"(;").records[0].root


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the large corpus is not here")
@pytest.mark.parametrize("path", sorted(SHARED.glob("*/*.sgf*")), ids=lambda path: path.name)
def test_every_game_there_is_makes_the_round_trip(path: Path) -> None:
    data = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
    before = opened(data)
    after = opened(before.encode())
    games = 0
    for one, other in itertools.zip_longest(before.records, after.records):
        assert [node.properties for node in one.nodes()] == [n.properties for n in other.nodes()]
        assert shape(one) == shape(other)
        games += 1
    assert games > 0
