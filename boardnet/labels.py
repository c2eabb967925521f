"""Labels: what a corpus keeps of a game besides its moves - result, komi, ranks, handicap, date.

Records say these in many ways ("B+R", "黑中盘胜", "9段", "2001-02-03,04"); here they become
numbers, with a value of its own for what is not said or cannot be understood. Never a guess.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from boardnet.game import SETUP, Game
from boardnet.rules import BLACK, EMPTY, WHITE

SCORE, RESIGNED, TIME, FORFEIT = 1, 2, 3, 4
"""How a game ended; 0 where that is not known."""

NO_RANK = -128

DTYPE = np.dtype(
    [
        ("winner", "i1"),  # BLACK, WHITE or EMPTY, where nobody has won or it is not known
        ("ending", "i1"),
        ("black_rank", "i1"),  # see `rank`
        ("white_rank", "i1"),
        ("handicap", "i2"),  # stones
        ("source", "i4"),  # where in the corpus's list of sources
        ("date", "i4"),  # 20170302; 20170300 and 20170000 where no more is known; 0 for nothing
        ("komi", "f4"),  # points for White; NaN where it is not known
        ("margin", "f4"),  # points that Black won by, below 0 if White did; NaN unless counted
    ]
)
"""One game of a corpus, as numpy keeps it."""

# In this order: "dan" would be found in "1st dan" as well as in "dan".
_KYU = re.compile(r"(\d{1,2})\s*(?:k|kyu|gup|級|级|급)", re.IGNORECASE)
_DAN = re.compile(r"([1-9]\d?)\s*(?:d|dan|段|단)", re.IGNORECASE)
_PRO = re.compile(
    r"([1-9])\s*p|(?:p|pro|professional|职业|職業|プロ|프로)\.?\s*([1-9])\s*(?:d|段)?"
    r"|([1-9])\s*d(?:an)?\s*\(?pro",
    re.IGNORECASE,
)
_CHINESE = str.maketrans("一二三四五六七八九初", "1234567891")
_TENS = re.compile(r"(\d?)十(\d?)(?=\s*[级級])")  # not 十段, which is a title
_DATE = re.compile(
    r"(?<!\d)(1[0-9]{3}|20[0-9]{2})(?:\s*[-/.年]\s*(\d{1,2}))?(?:\s*[-/.月]\s*(\d{1,2}))?"
)
_RESULT = re.compile(
    r"\s*(B|Black|W|White|黑|黒|白|흑|백)(?![a-z])番?\s*(.*)", re.IGNORECASE | re.DOTALL
)
# Whether the side that is named has won or lost is said by the first of these.
_WON_OR_LOST = re.compile(
    r"(?P<won>\+|勝ち?|胜|승|\bw[io]ns?\b)"
    r"|负|負け?|败|敗|패|认输|認輸|投了|투료"
    r"|\bresign(?:s|ed)\b|\blos(?:es|t)\b|\bforfeit(?:s|ed)\b|\btime[sd]? out\b",
    re.IGNORECASE,
)
_SIDES = {"b": BLACK, "黑": BLACK, "黒": BLACK, "흑": BLACK, "w": WHITE, "白": WHITE, "백": WHITE}
_RESIGNED = re.compile(
    r"r(?:es(?:ign.*)?)?$|中盘|中盤|中押|불계|认输|認輸|投了|투료", re.IGNORECASE
)
_TIME = re.compile(r"t(?:ime)?$|time[sd]? out$|超时|超時|时间|時間|시간", re.IGNORECASE)
_FORFEIT = re.compile(r"f(?:orfeit.*)?$", re.IGNORECASE)
_BY = re.compile(r"^\s*(?:by|on)\s", re.IGNORECASE)
_COUNTED = re.compile(r"[\d½半반]")
# Whole points, a half, or both, and nothing that could change their meaning: Chinese stones (子)
# are two points each.
_POINTS = re.compile(
    r"(\d{1,3}(?:[.,]\d+)?)?\s*(?:目|点|집|moku|po?i?n?ts?)?\s*(½|1/2|半|반)?\s*(?:目|집)?",
    re.IGNORECASE,
)


class Result(NamedTuple):
    """winner: BLACK, WHITE or EMPTY. ending: SCORE ... FORFEIT, or 0. margin: see DTYPE."""

    winner: int = EMPTY
    ending: int = 0
    margin: float = math.nan


def label(game: Game, source: int = 0) -> tuple[float, ...]:
    """The labels of a game, in the order of DTYPE.

    >>> from boardnet.records import parse
    >>> label(parse("(;KM[6.5]BR[1d]WR[2k]RE[W+R]DT[2017-03]".encode())[0])
    (2, 2, 1, -1, 0, 0, 20170300, 6.5, nan)
    """
    won = result(game.result)
    return (
        won.winner,
        won.ending,
        rank(game.black_rank),
        rank(game.white_rank),
        handicap(game),
        source,
        date(game.date),
        math.nan if game.komi is None else game.komi,
        won.margin,
    )


@lru_cache(1 << 12)  # of a server's games few are new
def rank(text: str) -> int:
    """A rank as a number, one a stone: 1 to 9 for 1d to 9d, 0 for 1k, -1 for 2k and on to -34;
    10 to 18 for professionals; NO_RANK for what is none.

    >>> [rank(text) for text in ("9d", "1 kyu", "十五級", "九段", "3단", "2p", "P6段", "?", "")]
    [9, 0, -14, 9, 3, 11, 15, -128, -128]
    """
    text = text.translate(_CHINESE)
    text = _TENS.sub(lambda found: f"{found[1] or 1}{found[2] or 0}", text)
    if (found := _KYU.search(text)) is not None and 1 <= int(found[1]) <= 35:
        return 1 - int(found[1])
    if (found := _PRO.search(text)) is not None:
        return 9 + int(found[1] or found[2] or found[3])
    if (found := _DAN.search(text)) is not None:
        return min(int(found[1]), 9)
    return NO_RANK


def rank_name(number: int) -> str:
    """The name of a rank's number.

    >>> [rank_name(number) for number in (9, 0, -4, 11, NO_RANK)]
    ['9d', '1k', '5k', '2p', '?']
    """
    if number == NO_RANK:
        return "?"
    if number > 9:
        return f"{number - 9}p"
    return f"{number}d" if number > 0 else f"{1 - number}k"


@lru_cache(1 << 12)
def date(text: str) -> int:
    """The first date that a text names, as a number whose digits are year, month and day.

    >>> [date(text) for text in ("2001-02-03,04", "Published 1846/9", "around 1700", "12/06/2010")]
    [20010203, 18460900, 17000000, 20100000]
    """
    found = _DATE.search(text)
    if found is None:
        return 0
    year, month, day = (int(part or 0) for part in found.groups())
    if not 1 <= month <= 12:
        return year * 10_000
    return year * 10_000 + month * 100 + (day if 1 <= day <= 31 else 0)


@lru_cache(1 << 12)
def result(text: str) -> Result:
    """Who won, and how; a record may name the loser instead.

    >>> [result(text) for text in ("B+3.5", "W+Resign", "0", "W+T", "白中盘负", "Void")]
    ... # doctest: +NORMALIZE_WHITESPACE
    [Result(winner=1, ending=1, margin=3.5), Result(winner=2, ending=2, margin=nan),
     Result(winner=0, ending=1, margin=0.0), Result(winner=2, ending=3, margin=nan),
     Result(winner=1, ending=2, margin=nan), Result(winner=0, ending=0, margin=nan)]
    """
    if text.strip().lower() in ("0", "draw", "jigo", "和棋", "持碁"):
        return Result(EMPTY, SCORE, 0.0)
    found = _RESULT.fullmatch(text)
    if found is None:
        return Result()
    winner, rest = _SIDES[found[1][0].lower()], found[2]
    said = _WON_OR_LOST.search(rest)
    sign, how = "", rest
    if said is not None:
        winner = winner if said["won"] else BLACK + WHITE - winner
        sign, how = said[0], _BY.sub("", rest[: said.start()] + rest[said.end() :])
    how = how.strip()
    word = "" if rest.isascii() else rest  # Chinese writes no blanks between words
    for ending, pattern in ((RESIGNED, _RESIGNED), (TIME, _TIME), (FORFEIT, _FORFEIT)):
        if pattern.match(how) or pattern.match(sign) or pattern.search(word):
            # "White resign" may mean either; what comes of 中押し is a win where it does not say.
            sure = sign or (word and ending == RESIGNED)
            return Result(winner, ending) if sure else Result()
    if _COUNTED.search(how) is None:
        return Result(winner if sign else EMPTY)
    points = _POINTS.fullmatch(how)
    if points is None:
        return Result(winner, SCORE)
    margin = float((points[1] or "0").replace(",", ".")) + (0.5 if points[2] else 0)
    return Result(winner, SCORE, margin if winner == BLACK else -margin)


def handicap(game: Game) -> int:
    """The stones of a handicap: what HA says, else Black's that are set up before the first move
    where White has none."""
    first = next((k for k, one in enumerate(game.actions) if one.kind != SETUP), len(game.actions))
    stones = [one.colour for one in game.actions[:first]]
    placed = len(stones) if stones and set(stones) == {BLACK} else 0
    return min(game.handicap or (placed if placed > 1 else 0), 999)
