"""Wanted: which games go into a corpus."""

from __future__ import annotations

from dataclasses import dataclass

from boardnet.errors import BoardnetError
from boardnet.game import Game
from boardnet.labels import NO_RANK, date, handicap, rank


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a game has to be. Raises BoardnetError for a setting that makes no sense.

    size: rows and columns of the board. min_rank, max_rank: of both players, as in "6d", "2k" or
    "1p" (any professional is above 9d). since, until: dates, or years or months, both included.
    max_handicap: stones; 0 for even games only. min_moves, max_moves: passes included. player: a
    part of the name of one of the two, in any case. A game that does not say what is asked for is
    not wanted. All but the size may be left open.
    """

    size: int = 19
    min_rank: str = ""
    max_rank: str = ""
    since: str = ""
    until: str = ""
    max_handicap: int | None = None
    min_moves: int = 1
    max_moves: int | None = None
    player: str = ""

    def __post_init__(self) -> None:
        for name in ("min_rank", "max_rank"):
            text = getattr(self, name)
            if text and rank(text) == NO_RANK:
                raise BoardnetError(f"{text!r} is no rank: write 9d, 5k or 1p")
        for name in ("since", "until"):
            text = getattr(self, name)
            if text and date(text) == 0:
                raise BoardnetError(f"{text!r} is no date: write 2017, 2017-03 or 2017-03-02")

    def refusal(self, game: Game) -> str:
        """Why a game is not wanted, in two or three words; nothing if it is."""
        if (game.rows, game.columns) != (self.size, self.size):
            return "other size"
        moves = game.length
        if moves == 0:
            return "no moves"
        if moves < self.min_moves or (self.max_moves is not None and moves > self.max_moves):
            return "length"
        if self.max_handicap is not None and handicap(game) > self.max_handicap:
            return "handicap"
        if not self._right_ranks(game):
            return "rank"
        if not self._right_date(game):
            return "date"
        if self.player and not any(
            self.player.casefold() in name.casefold() for name in (game.black, game.white)
        ):
            return "player"
        return ""

    def _right_ranks(self, game: Game) -> bool:
        if not (self.min_rank or self.max_rank):
            return True
        ranks = [rank(game.black_rank), rank(game.white_rank)]
        return NO_RANK not in ranks and (
            (not self.min_rank or min(ranks) >= rank(self.min_rank))
            and (not self.max_rank or max(ranks) <= rank(self.max_rank))
        )

    def _right_date(self, game: Game) -> bool:
        if not (self.since or self.until):
            return True
        day = date(game.date)
        if day == 0:
            return False
        last = date(self.until)
        # 2017 is all of the year, 2017-03 all of the month.
        last += 1231 * (last % 10_000 == 0) or 31 * (last % 100 == 0)
        return day >= date(self.since) and (not self.until or day <= last)
