"""Charset: records in all encodings, with the CA that they should have, with none, with a lie."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardnet import records
from boardnet.charset import KEEP, charset
from boardnet.game import Game

MOVES = ";B[pd];W[dd];B[pp]"
# What programs write whatever the bytes are, and what is no encoding.
HABITS = ("UTF-8", "ISO-8859-1", "WINDOWS-1252", "UTF-16", "ascii", "gibberish", "")


def header(black: str, white: str, ca: str = "", rest: str = "") -> str:
    declared = f"CA[{ca}]" if ca else ""
    return f"(;GM[1]FF[4]{declared}SZ[19]PB[{black}]PW[{white}]{rest}RE[B+R]{MOVES})"


def read(text: str, encoding: str) -> Game:
    """The game of a record in this encoding, whose moves nothing in its text has swallowed."""
    [game] = records.parse(text.encode(encoding))
    assert len(game.moves) == 3
    return game


# Encoding, the CA of it, another that is met on such files, and pairs of players.
PLAYERS = {
    ("gb18030", "GB2312", "Big5"): """
        古力 李世石, 柯洁 朴廷桓, 常昊 马晓春, 聂卫平 小林光一, 陈耀烨 芈昱廷, 时越 周睿羊,
        江维杰 唐韦星, 罗洗河 崔哲瀚, 王檄 孔杰, 许家元 一力辽, 於之莹 芮乃伟, 李轩豪 丁浩,
        杨鼎新 辜梓豪, 曹大元 刘小光, 弈城棋客 绝艺, 许镕真 碁友""",
    ("big5", "Big5", "GB2312"): """
        許家元 周俊勳, 張栩 王立誠, 林海峰 王銘琬, 蕭正浩 陳詩淵, 黑嘉嘉 林至涵, 許功蓋 李維,
        王元均 賴均輔, 聶衛平 馬曉春, 謝依旻 徐靖恩, 吳清源 藤澤秀行, 陳祈睿 簡靖庭""",
    ("cp932", "Shift_JIS", "EUC-JP"): """
        井山裕太 趙治勲, 小林光一 武宮正樹, 許家元 芝野虎丸, 本因坊秀策 井上因碩, 坂田栄男 呉清源,
        高尾紳路 結城聡, 表ソ構 ゼミ, 一力遼 余正麒, 仲邑菫 上野愛咲美, 李世石 古力, ヒカル アキラ,
        藤沢秀行 大竹英雄, 張栩 羽根直樹, 依田紀基 片岡聡, もんた たけし, 趙善津 王立誠""",
    ("euc_jp", "EUC-JP", "Shift_JIS"): """
        井山裕太 趙治勲, 小林光一 武宮正樹, 芝野虎丸 許家元, 坂田栄男 呉清源, ヒカル アキラ,
        本因坊秀策 井上因碩, 一力遼 余正麒, 張栩 羽根直樹, 大竹英雄 加藤正夫""",
    ("cp949", "EUC-KR", "GB2312"): """
        이창호 조훈현, 이세돌 박정환, 신진서 최철한, 유창혁 서봉수, 박영훈 강동윤, 최정 오유진,
        김지석 원성진, 목진석 조한승, 변상일 신민준, 조남철 김인, 구쾌뷁 똠방각하, 최병규 조혜연""",
    ("cp1251", "windows-1251", "KOI8-R"): """
        Крамник Динерштейн, Шикшин Сурин, Рябов Кульков, Панков Лазарев, Ковалёва Черных""",
    ("koi8-r", "KOI8-R", "windows-1251"): """
        Крамник Динерштейн, Шикшин Сурин, Рябов Кульков, Панков Лазарев, Ковалёва Черных""",
    ("latin-1", "ISO-8859-1", "GB2312"): """
        Müller Jürgen, Böckmann Schröder, Hervé Noël, Søren Åström, Muñoz Íñigo, Großmann Weiß,
        Jørgensen Çelik, João Conceição, Bäcker Fàbregas""",
}
RANKS = {"cp949": "단", "cp1251": " дан", "koi8-r": " дан", "latin-1": "d"}
PAIRS = [
    pytest.param(encoding, right, wrong, *pair.split(), id=f"{encoding}-{pair.strip()}")
    for (encoding, right, wrong), pairs in PLAYERS.items()
    for pair in pairs.split(",")
]
every_pair = pytest.mark.parametrize(("encoding", "right", "wrong", "black", "white"), PAIRS)


@every_pair
def test_two_names_are_enough_without_a_ca_or_with_what_every_program_writes(
    encoding: str, right: str, wrong: str, black: str, white: str
) -> None:
    for ca in HABITS:
        game = read(header(black, white, ca), encoding)
        assert (game.black, game.white) == (black, white), ca


@every_pair
def test_a_correct_ca_is_honoured(
    encoding: str, right: str, wrong: str, black: str, white: str
) -> None:
    for first, second in ((black, white), (black, "x"), ("x", white)):
        game = read(header(first, second, right), encoding)
        assert (game.black, game.white) == (first, second)


@every_pair
def test_a_ca_of_another_language_is_seen_through_once_there_are_ranks(
    encoding: str, right: str, wrong: str, black: str, white: str
) -> None:
    rank = RANKS.get(encoding, "段")
    ranks = f"BR[9{rank}]WR[5{rank}]"
    for ca in (wrong, *HABITS):
        game = read(header(black, white, ca, ranks), encoding)
        assert (game.black, game.white) == (black, white), ca


@pytest.mark.parametrize(
    ("encoding", "ca", "black", "white"),
    [
        ("gb18030", "GBK", "박정환", "㐀"),  # in four bytes
        ("gb18030", "GB2312", "联通", "丨"),  # which are valid UTF-8 too
        ("cp932", "Shift_JIS", "ｲﾁﾘｷ", "ｱｷﾗ"),  # in one byte
        ("cp932", "Shift_JIS", "①", "鸚鵡"),
        ("euc_jis_2004", "EUC-JP", "①", "張栩"),
        ("big5hkscs", "Big5", "碁聖", "アキラ"),
        ("cp949", "EUC-KR", "李昌鎬", "曺薰鉉"),
        ("johab", "Johab", "이창호", "조훈현"),
        ("iso2022_jp", "ISO-2022-JP", "井山裕太", "趙治勲"),
        ("iso2022_jp", "", "井山裕太", "趙治勲"),
        ("iso2022_kr", "", "이창호", "조훈현"),
        ("hz", "HZ-GB-2312", "古力", "李世石"),
        ("iso8859-2", "ISO-8859-2", "Żółw", "Łukasz"),
        ("cp1250", "windows-1250", "Šťastný", "Dvořák"),
        ("cp1253", "windows-1253", "Γιώργος", "Παπαδόπουλος"),
        ("cp1254", "windows-1254", "Çağatay", "Şahin"),
        ("cp1252", "", "Black\u2019s", "\u201cMax\u201d Müller"),
        ("latin-1", "", "6½", "Max"),
        ("cp866", "cp866", "Крамник", "Сурин"),
        ("koi8-u", "KOI8-U", "Крамник", "Їжак"),
        ("utf-16", "", "古力", "李世石"),
        ("utf-16-le", "", "古力", "李世石"),
        ("utf-16-be", "UTF-8", "古力", "李世石"),
        ("utf-16-le", "", "Ann", "Bob"),
    ],
)
def test_rarer_encodings_and_characters_are_read(
    encoding: str, ca: str, black: str, white: str
) -> None:
    game = read(header(black, white, ca), encoding)
    assert (game.black, game.white) == (black, white)


# All of the text counts

COMMENTS = {
    "gb18030": "黑棋第一手占角、白棋应对正确。这手棋是败着、以后黑棋中盘胜。",
    "big5": "黑棋第一手佔角、白棋應對正確。這手棋是敗著、以後黑棋中盤勝。",
    "cp932": "黒の第一手は小目。白の三々入りに対し、黒はオサえて優勢でした。",
    "euc_jp": "黒の第一手は小目。白の三々入りに対し、黒はオサえて優勢でした。",
    "cp949": "흑의 첫 수는 소목입니다. 백이 귀에 들어갔지만 흑이 불계로 이겼습니다.",
    "cp1251": "Чёрные начали игру в углу, но белые ответили лучшим ходом.",
    "koi8-r": "Чёрные начали игру в углу, но белые ответили лучшим ходом.",
    "latin-1": "Schwarz verfügt über große Stärke; spätere Züge ändern nichts.",
}


@pytest.mark.parametrize("encoding", COMMENTS)
@pytest.mark.parametrize("times", [1, 2000])
def test_comments_are_read_wherever_they_stand(encoding: str, times: int) -> None:
    comment = COMMENTS[encoding] * times
    for before in (0, 5_000):
        moves = ";B[pd]C[plain];W[dd]" * before
        text = f"(;GM[1]PB[Ann]PW[Bob]{moves};B[cc]C[{comment}];W[qq])"
        data = text.encode(encoding)
        assert data.decode(charset(data)) == text
        assert len(records.parse(data)[0].moves) == 2 * before + 2


@pytest.mark.parametrize("encoding", COMMENTS)
def test_names_of_another_encoding_do_not_outweigh_the_comments(encoding: str) -> None:
    names = header("林海峰", "黄翊祖").encode("euc_jp")
    assert charset(names) == "euc_jis_2004"
    comment = COMMENTS[encoding] * 3
    data = names.replace(b"RE[B+R]", b"C[" + comment.encode(encoding) + b"]")
    assert comment in data.decode(charset(data), KEEP)


def test_a_megabyte_is_judged_by_all_of_it() -> None:
    # The first tenth is in Latin letters, of which the language of the rest is none.
    text = "(;PB[M\xfcller]C[" + "f\xfcr " * 20_000
    data = text.encode("latin-1") + (COMMENTS["gb18030"] * 15_000).encode("gb18030") + b"];B[aa])"
    assert charset(data[: 1 << 20]) == "gb18030"
    assert charset(data[:50_000]) == "latin-1"


# Damage


@pytest.mark.parametrize("encoding", COMMENTS)
def test_a_beginning_that_stops_anywhere_is_judged_like_the_whole(encoding: str) -> None:
    data = header("a", "b", rest=f"C[{COMMENTS[encoding]}]").encode(encoding)
    whole = charset(data)
    start = data.index(b"C[") + 24
    assert {charset(data[:end]) for end in range(start, len(data))} == {whole}


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "big5", "cp932", "euc_jp", "cp949"])
@pytest.mark.parametrize("ca", ["", "CA[UTF-8]"])
def test_a_name_that_was_cut_within_a_character_changes_nothing_else(
    encoding: str, ca: str
) -> None:
    black, rank = ("이창호", "단") if encoding == "cp949" else ("小林光一", "段")
    whole = header(black, black, rest=f"{ca}BR[9{rank}]WR[9{rank}]").encode(encoding)
    name = black.encode(encoding)
    data = whole.replace(name, name[:-1], 1)
    assert charset(data) == charset(whole)
    assert len(records.parse(data)[0].moves) == 3


@given(
    st.binary(max_size=60), st.sampled_from(["", "GBK", "idna", "punycode", "hz", "rot13", "hex"])
)
def test_any_bytes_have_an_answer_that_reads_them(data: bytes, ca: str) -> None:
    record = b"(;CA[" + ca.encode() + b"]PB[" + data + b"];B[pd])"
    found = charset(record)
    assert found == charset(record)
    assert isinstance(record.decode(found, KEEP), str)


# ASCII and UTF-8 are never anything else

PLAIN = st.text(st.characters(codec="ascii", exclude_characters="\0\x1b"))


@given(PLAIN, st.sampled_from(["", "GB2312", "Big5", "Shift_JIS", "ISO-8859-1", "KOI8-R"]))
def test_ascii_is_read_as_utf_8(text: str, ca: str) -> None:
    assert charset(f"(;CA[{ca}]C[{text}])".encode("ascii")) == "utf-8-sig"


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\x1b")))
def test_any_text_in_utf_8_is_read_as_such(text: str) -> None:
    assert charset(f"(;C[{text}])".encode()) == "utf-8-sig"
    assert charset(f"(;CA[UTF-8]C[{text}])".encode()) == "utf-8-sig"


@every_pair
def test_names_in_utf_8_are_read_as_such_whatever_ca_says(
    encoding: str, right: str, wrong: str, black: str, white: str
) -> None:
    for ca in {of for declared in PLAYERS for of in declared[1:]}:
        game = read(header(black, white, ca), "utf-8")
        assert (game.black, game.white) == (black, white), ca


def test_every_shipped_game_is_read_as_utf_8() -> None:
    games = sorted((Path(__file__).parents[2] / "data" / "games").glob("*.sgf"))
    assert games
    assert {charset(path.read_bytes()) for path in games} == {"utf-8-sig"}
