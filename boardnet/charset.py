"""Charset: which encoding the bytes of a game record are in.

Moves are plain ASCII, names and comments are whatever the program of the day wrote. A file is
decoded before its brackets are looked for, because the second byte of a Shift-JIS, GBK or Big5
character may itself look like a bracket or a backslash.

CA is often missing and sometimes a lie, and the text to judge by may be two names. So every
encoding that records come in is tried, and the one wins in which the text is least surprising, by
how often its language writes each character and by whether the brackets still make properties.
"""

# Why no library: of headers with two names and nothing else, chardet 7.7 reads 90 % right in GBK,
# 24 % in EUC-JP and 94 % in Korean, charset-normalizer 3.5 reads 27, 25 and 100 %, both told which
# encodings there are; this reads 99, 99 and 100 %. Neither knows of CA and brackets.

import codecs
import re
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

DECLARED = re.compile(rb"CA\s*\[\s*([^\]\s]{1,40})\s*\]")
UTF_8 = "utf-8-sig"  # with or without a mark of order
# Python calls some things a codec that are no character set; they would change this.
_PROBE = rb"(;B[pd]C[\u0041+AGE-~])"
_WIDER = {
    **dict.fromkeys(("gb2312", "gbk"), "gb18030"),
    **dict.fromkeys(("big5", "cp950"), "big5hkscs"),
    **{"shift_jis": "cp932", "euc_jp": "euc_jis_2004", "iso2022_jp": "iso2022_jp_ext"},
    **{"euc_kr": "cp949", "utf-8": UTF_8, "ascii": "latin-1", "iso8859-1": "latin-1"},
}
_SEVEN_BIT = ("iso2022", "hz")  # these hide in bytes that are valid UTF-8
_ESCAPES = {b"\x1b$B": "iso2022_jp_ext", b"\x1b$@": "iso2022_jp_ext", b"\x1b$)C": "iso2022_kr"}
_UTF_16 = {
    "utf-16-le": re.compile(rb"\(\0(?:\s\0)*[;A-Z]\0"),
    "utf-16-be": re.compile(rb"\0\((?:\0\s)*\0[;A-Z]"),
}
_LONG = re.compile(rb"[\xe0-\xf4]")  # begins a character of three or four bytes in UTF-8

KEEP = "boardnet.keep"
"""The error handler for decoding records: like surrogateescape, but it never fails itself."""


def _keep(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    wrong = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + byte) if byte > 127 else "\ufffd" for byte in wrong), error.end


codecs.register_error(KEEP, _keep)


def charset(data: bytes, claim: str | None = None) -> str:
    """The name of a Python codec that reads `data`, the beginning of a file or all of it.

    claim: the codec that CA named before `data`, which counts where there is no CA in it.

    Marks of order come first, then UTF-8 if it fits (text in another encoding hardly ever does,
    whatever CA says), then what the text looks like; the record's own CA counts as evidence.

    >>> charset(b"(;GM[1]CA[gb2312]PB[" + "古力".encode("gb2312") + b"])")
    'gb18030'
    >>> charset("(;GM[1]PB[趙治勲]PW[小林光一])".encode("shift_jis"))
    'cp932'
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for name, start in _UTF_16.items():
        if (at := start.search(data)) and at.start() % 2 == 0:
            return name
    found = DECLARED.search(data)
    declared = codec_of(found[1]) if found else claim
    if declared and declared.startswith(_SEVEN_BIT):
        hidden = [declared]
    else:
        hidden = [name for escape, name in _ESCAPES.items() if escape in data]
    for name in hidden:
        if reads(name, data):
            return name
    if reads(UTF_8, data) and (
        # One name in forty in GBK is UTF-8 as well, but only in characters of two bytes.
        declared in (None, UTF_8) or data.isascii() or _LONG.search(data)
    ):
        return UTF_8
    return _likeliest(data, declared)


@lru_cache(1 << 8)
def codec_of(claim: bytes) -> str | None:
    """Python's name for the encoding that a CA names; None for what is not one.

    >>> codec_of(b"GB2312"), codec_of(b"utf8"), codec_of(b"Windows")
    ('gb18030', 'utf-8-sig', None)
    """
    try:
        found = codecs.lookup(claim.decode("latin-1")).name
        if not found.startswith(_SEVEN_BIT) and _PROBE.decode(found) != _PROBE.decode("ascii"):
            return None
        codecs.getincrementaldecoder(found)("replace").decode(_PROBE)
    except (LookupError, ValueError):
        return None
    return _WIDER.get(found, found)


def reads(name: str, data: bytes) -> bool:
    """Whether all of `data` is text in the encoding `name`."""
    try:
        # Not final: the beginning of a file may stop in the middle of a character.
        codecs.getincrementaldecoder(name)("strict").decode(data)
    except ValueError:
        return False
    return True


# How surprising a character is, in nats: minus the logarithm of how often it is met, roughly.
_ASCII, _OFTEN, _RARE, _WRONG = 4.0, 5.8, 14.0, 14.0

# Met in names of players and in what is said of games; first the ones that all of them share.
_HAN = (
    "一二三四五六七八九十大中小人国日年月上下天地后前白黑目半先手打分段局本名王元李林高石金朴"
    "安方田西林江河池平山木吉三宋孔孟清文正光明志永海美子春秋星宇玉成和道心定武宮田井加佐太利"
)
_CHINESE = (
    "的是在了我他你不有就也都可能出用得着下角先吃提死活好世子棋第初手周徐胡朱何郭曹袁余于程傅沈"
    "曾彭蔡魏薛潘杜戴夏姜范姚廖熊崔康毛邱史侯邵雷尹黎易常古俞申昊嘉俊廷睿力浩欣豪涵思雨建科"
)
_SIMPLIFIED = (
    "国来说这个们时会对没还级负胜盘飞边围军赛杯冠决战届实张刘陈杨赵黄吴孙马罗梁郑谢韩唐冯董萧邓"
    "许苏卢蒋贾吕叶阎钟陆龙万钱汤乔贺赖龚聂华芮党檀晓维诚耀烨鹤刚洁连轩静红云柯泽伟强东杰丁"
)
_TRADITIONAL = (
    "國來說這個們時會對沒還級負勝盤飛邊圍軍賽盃冠決戰屆實張劉陳楊趙黃吳孫馬羅梁鄭謝韓唐馮董蕭鄧"
    "許蘇盧蔣賈呂葉鐘陸龍萬錢湯賀賴龔聶曉維誠鶴澤偉強東傑連軒靜雲銘勳簡游詩祥丁"
)
_JAPANESE = (
    "棋院期第級初勝負黒番互込押持盤戦聖座位因坊碁杯決挑者記解説譜時間本会場東京所行出見生後"
    "藤竹趙治勲依紀基張栩羽根直樹結城聡野敬吾橋郎坂栄男谷実村川介伊鈴渡辺松水森阿部長岡近青福"
    "原英雄秀夫博之也司将昭彦弘健隆香里菜奈恵由理優真翔悠輝斗希沢斎策岩薫呉源芝虎丸許家余関智"
    "富上野愛咲仲菫島千"
)
_KOREAN = (
    "이다는에의을가고하지한로은기사를어리자도아시나대으서들그인라있제해일정수게부것과전상만구원보장"
    "여스면니주김박최강조윤임오신권황안송류홍문양손배백허유남심노곽성차우민진엄채천방공현함변염추소"
    "석선설마길연위표명반왕금옥육맹탁국영준승훈창호세돌철동경재혁규태희미혜숙순찬환범섭식용건필웅종"
    "병광학빈예율린단급흑번집불계패둑점李金朴崔趙曺鄭尹張林徐劉九段"
)


class _Script(NamedTuple):
    """What a language writes: its frequent characters, and how surprising the others are, by the
    first byte that they have in `codec`: as much as that of the last entry not above it."""

    often: frozenset[str]
    codec: str
    others: dict[int, float]

    def surprise(self, character: str) -> float:
        if character in self.often:
            return _OFTEN
        if "\uff01" <= character < "\uffa0":  # letters, digits and kana in unusual widths
            return 7.5
        try:
            code = character.encode(self.codec)
        except UnicodeError:
            return _RARE
        return _RARE if len(code) > 2 else self.others[max(k for k in self.others if k <= code[0])]


_CHINA = _Script(
    frozenset(_HAN + _CHINESE + _SIMPLIFIED),
    "gb2312",
    {0: 7.0, 0xA4: 9.7, 0xA6: _RARE, 0xB0: 8.9, 0xD8: 11.5},
)
_TAIWAN = _Script(
    frozenset(_HAN + _CHINESE + _TRADITIONAL),
    "big5hkscs",
    {0: _RARE, 0xA1: 7.0, 0xA4: 9.3, 0xC6: 10.5, 0xC9: 12.4, 0xFA: _RARE},
)
_JAPAN = _Script(
    frozenset(_HAN + _JAPANESE),
    "euc_jis_2004",
    {0: _RARE, 0xA1: 7.0, 0xA4: 5.4, 0xA5: 6.1, 0xA6: 9.0, 0xB0: 8.9, 0xD0: 11.8, 0xF5: _RARE},
)
_KOREA = _Script(frozenset(_KOREAN), "euc_kr", {0: 7.5, 0xA4: 9.5, 0xB0: 9.0, 0xC9: 11.5})
_SCRIPTS = {
    **{"gb18030": _CHINA, "cp932": _JAPAN, "euc_jis_2004": _JAPAN},
    **{"big5hkscs": _TAIWAN, "cp949": _KOREA, "johab": _KOREA},
}
# How surprising it is to meet an encoding at all; of equal ones the first wins.
_TRIED = {
    **{"utf-8-sig": 0.0, "gb18030": 0.0, "cp932": 1.0, "big5hkscs": 1.5, "cp949": 1.5},
    **{"euc_jis_2004": 4.0, "latin-1": 1.0, "cp1252": 1.5, "cp1251": 4.5, "koi8-r": 5.0},
    **{"cp866": 6.0, "johab": 6.0},
}
# How much less so if CA says it. Some programs always write the same.
_CLAIM, _HABIT, _HABITS = 9.0, 3.0, ("latin-1", "cp1252", "utf-8-sig")

_MOVE = re.compile(r";\s*[BW]\[[A-Za-z]{0,2}\]")
_FAR = re.compile(rb"([\0-\x7f]{6})[\0-\x7f]{3,}([\0-\x7f]{2})")
_FREQUENT_LETTERS = frozenset("éüöäèàçñåøßíóáоеаинтсрвлкмдпуяыьзαοιετσνηρπςίόά")
_QUOTES = "\u2018\u2019\u201c\u201d\u2013\u2014\u2026½°·«»№"
_LETTERS = re.compile("[à-ÿ\u0370-\u03ff\u0410-\u044f\u0590-\u0e7f]")
# Capitals in the middle of a word, two alphabets in one, two accents in a row.
_ODD_LETTERS = re.compile(
    "[a-zß-öø-ÿ][À-ÖØ-Þ]|[\u0430-\u045f][\u0400-\u042fA-Za-z]"
    "|[\u0400-\u042f]{2}[\u0430-\u045f]|[A-Za-z][\u0400-\u045f]|(?=[\xa0-\u02ff]{2})"
)
# A small kana that begins a word; a single character that is part of a word in Latin letters.
_ODD_CHARACTERS = re.compile(
    r"(?<![ぁ-ヿ])[ぁぃぅぇぉっゃゅょァィゥェォッャュョー]"
    r"|(?<=[a-z])[^\0-\x7f](?![^\0-\x7f])|(?<![^\0-\x7f])[^\0-\x7f](?=[a-z])"
)
# A bracket that opens a property though the one before was not closed (its "]" became half of a
# character), and one that closes but nothing that may follow does.
_ODD_BRACKETS = re.compile(
    r"\[(?:(?<=[^\0-\x7f][A-Z]\[)|(?<=[^\0-\x7f][A-Z]{2}\[)|(?<=[^\0-\x7f];[BW]\[))"
    r"|[^\0-\x7f]\)\s*$|\](?<!\\\])(?=[A-Za-z]?[^\0-\x7f]|[^\s\[;()A-Za-z])"
)


def _likeliest(data: bytes, declared: str | None) -> str:
    """The encoding in which `data` surprises least, all that is not ASCII in it taken together."""
    text = _FAR.sub(rb"\1\n\2", data)
    tried = dict(_TRIED)
    if declared:
        tried[declared] = tried.get(declared, 0.0) - (_HABIT if declared in _HABITS else _CLAIM)
    ranked = sorted(tried, key=lambda name: tried[name] + _surprise(text, name))
    # In a wrong encoding of two bytes a character may swallow brackets, and moves with them.
    moves = len(_MOVE.findall(data.decode("latin-1")))
    return next((name for name in ranked if _moves(data, name) >= moves), "latin-1")


def _moves(data: bytes, name: str) -> int:
    """How many moves there are to be seen in `data` in the encoding `name`."""
    whole = codecs.getincrementaldecoder(name)("replace").decode(data)
    return len(_MOVE.findall(whole))


def _surprise(data: bytes, name: str) -> float:
    """How surprising `data` is as text in the encoding `name`, in nats."""
    whole = codecs.getincrementaldecoder(name)("replace").decode(data)
    text = _spread(whole)
    script = _SCRIPTS.get(name)
    if script:
        one, total = script.surprise, 5.0 * len(_ODD_CHARACTERS.findall(text))
    else:
        one, total = _letter, 5.0 * len(_ODD_LETTERS.findall(text))
    for character, times in Counter(text).items():
        if character < "\x80":
            total += _ASCII * times
        else:
            total += times * (_WRONG if character == "\ufffd" else one(character))
    total += 8.0 * len(_ODD_BRACKETS.findall(text))
    return total * len(whole) / max(len(text), 1)


def _spread(text: str, most: int = 1 << 15, piece: int = 1 << 9) -> str:
    """A text, or pieces from all over it if it is longer than `most` characters."""
    if len(text) <= most:
        return text
    return "".join(text[at : at + piece] for at in range(0, len(text), len(text) * piece // most))


def _letter(character: str) -> float:
    """How surprising a character is in an alphabet."""
    if character.lower() in _FREQUENT_LETTERS:
        return 3.2 if character.islower() else 4.2
    if _LETTERS.match(character):
        return 5.0
    if character.isalpha() or character in _QUOTES:
        return 6.5
    return 9.5 if character > "\x9f" else _WRONG
