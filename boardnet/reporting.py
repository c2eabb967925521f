"""Reporting: a review as text for a terminal, or as plain data for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from boardnet.drawing import Style
from boardnet.review import ALL, PHASES, Played, Review, Score
from boardnet.rules import BLACK, WHITE
from boardnet.vertices import vertex

PLAYERS = {BLACK: "Black", WHITE: "White"}
WIDTH = 72  # of the chart, in characters
_BLOCKS = " ▁▂▃▄▅▆▇█"
_PLAIN_BLOCKS = " .:-=+*#@"
_FULL = 6.0  # nats at which the chart is full


def review_text(name: str, review: Review, style: Style) -> str:
    """The whole review. name: of the file."""
    parts = [heading(name, review), "", _table(review), ""]
    surprising = review.surprising()
    if surprising:
        parts += ["The most surprising moves, and what was expected instead", ""]
        parts += [_line(one) for one in surprising] + [""]
    parts.append(chart(review, style))
    return "\n".join(parts)


def heading(name: str, review: Review) -> str:
    game = review.game
    black, white = player_name(review, BLACK), player_name(review, WHITE)
    result = f", {game.result}" if game.result else ""
    return f"{name}: {black} (Black) against {white} (White), {len(review.played)} moves{result}"


def player_name(review: Review, player: int) -> str:
    game = review.game
    name, rank = (game.black, game.black_rank) if player == BLACK else (game.white, game.white_rank)
    return " ".join(filter(None, (name.strip(), rank.strip()))) or "unknown"


def _table(review: Review) -> str:
    lines = ["                 moves   first  in five   surprise   more expected than"]
    for player, told in PLAYERS.items():
        for phase in (*PHASES, ALL):
            score = review.score(player, phase)
            if score is not None:
                lines.append(f"{told:6} {phase:8} {_numbers(score)}")
    return "\n".join(lines)


def _numbers(score: Score) -> str:
    usual = "" if score.percentile is None else f"{score.percentile:.0%} of strong players' games"
    shares = f"{score.top1:7.0%} {score.top5:8.0%}"
    return f"{score.moves:6} {shares} {score.nats:6.2f} nats   {usual}".rstrip()


def _line(one: Played) -> str:
    rows = one.before.rows
    expected = ", ".join(
        f"{vertex(other.point, rows)} {other.prior:.0%}" for other in one.expected[:3]
    )
    move = f"{PLAYERS[one.player]} {vertex(one.point, rows)}"
    return f"{one.number:5}  {move:10} {one.prior:7.2%}   {expected}"


def chart(review: Review, style: Style) -> str:
    """Surprise over the game: a row of bars a player, each the mean of some moves."""
    if not review.played:
        return ""
    blocks = _BLOCKS if style.unicode else _PLAIN_BLOCKS
    each = -(-len(review.played) // WIDTH)
    lines = [f"Surprise over the game: {each} move{'s' * (each > 1)} a bar, full at {_FULL:g} nats"]
    for player, told in PLAYERS.items():
        bars = []
        for start in range(0, len(review.played), each):
            own = [one.surprise for one in review.played[start : start + each]
                   if one.player == player]  # fmt: skip
            height = min(1.0, sum(own) / len(own) / _FULL) if own else 0.0
            bars.append(blocks[round(height * (len(blocks) - 1))])
        lines.append(f"{told:6} {''.join(bars)}")
    ends = f"1{' ' * (len(bars) - 1 - len(str(len(review.played))))}{len(review.played)}"
    return "\n".join([*lines, " " * 7 + ends])


def review_json(name: str, review: Review) -> dict[str, Any]:
    """Plain data. Moves have KataGo's names where it has them. A winrate is the mover's, before the
    move; there is none without a calibrated value."""
    game = review.game
    return {
        "file": name,
        "black": game.black,
        "white": game.white,
        "result": game.result,
        "scores": [
            {
                "player": "BW"[score.player - 1],
                "phase": score.phase,
                "moves": score.moves,
                "top1": round(score.top1, 4),
                "top5": round(score.top5, 4),
                "nats": round(score.nats, 4),
                "percentile": None if score.percentile is None else round(score.percentile, 3),
            }
            for score in review.scores
        ],
        "moves": [
            {
                "turnNumber": one.number - 1,
                "currentPlayer": "BW"[one.player - 1],
                "move": vertex(one.point, game.rows),
                "prior": round(one.prior, 6),
                "order": one.rank,
                "surprise": round(one.surprise, 4),
                **_winrate(one),
                "moveInfos": [
                    {"move": vertex(other.point, game.rows), "order": order,
                     "prior": round(other.prior, 6)}
                    for order, other in enumerate(one.expected)
                ],
            }
            for one in review.played
        ],
    }  # fmt: skip


def _winrate(one: Played) -> dict[str, float]:
    return {} if one.before.winrate is None else {"winrate": round(one.before.winrate, 4)}


def game_line(name: str, review: Review) -> str:
    """One line a game, for folders."""
    told = [f"{name:32.32}"]
    for player in PLAYERS:
        score = review.score(player)
        numbers = f"{score.nats:5.2f} {score.top1:4.0%}" if score else f"{'':10}"
        told.append(f"{player_name(review, player):20.20} {numbers}")
    return "  ".join(told)


def summary_lines(reviews: Sequence[tuple[str, Score]]) -> list[str]:
    """A line a player over many games, who played most first. reviews: (player's name, score)."""
    totals: dict[str, list[Score]] = {}
    for name, score in reviews:
        totals.setdefault(name, []).append(score)
    rows = []
    for name, scores in totals.items():
        moves = sum(score.moves for score in scores)
        top1, top5, nats = (
            sum(getattr(score, what) * score.moves for score in scores) / moves
            for what in ("top1", "top5", "nats")
        )
        rows.append((len(scores), name, moves, top1, top5, nats))
    rows.sort(key=lambda row: (-row[0], row[1]))
    head = f"{'player':28} games  moves   first  in five   surprise"
    return [head] + [
        f"{name:28.28} {games:5} {moves:6} {top1:7.0%} {top5:8.0%} {nats:6.2f} nats"
        for games, name, moves, top1, top5, nats in rows
    ]
