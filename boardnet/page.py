"""Page: a review as one HTML file that needs nothing else: no network, no server.

The template is `page.html`; here is the data that it shows. Boards are those of the rules engine,
one for each turn, so that the page knows no rules of its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import Any

from boardnet.drawing import is_hoshi
from boardnet.game import MOVE, Action, Game
from boardnet.predictor import Prediction, Predictor, playable
from boardnet.reporting import PLAYERS, heading, player_name, review_json
from boardnet.review import Review
from boardnet.vertices import COLUMN_LETTERS, vertex

MOST = 100
"""Variations that a page has at most."""

_LEAST = 0.002  # what is less likely is not shown
_MARK = "/*review*/null"


@dataclass(frozen=True)
class Variation:
    """A line beside the game. after: moves that it has in common with the game. boards: the
    predictions after that many moves and after each of its own."""

    after: int
    moves: tuple[Action, ...]
    boards: tuple[Prediction, ...]


def variations(predictor: Predictor, review: Review, lines: Sequence[Game]) -> list[Variation]:
    """Those of a record's `lines` that are not the reviewed game, as far as they are legal."""
    found = []
    for game in lines[1 : MOST + 1]:
        own = review.game.actions
        same = next(
            (at for at, (a, b) in enumerate(zip(own, game.actions, strict=False)) if a != b),
            min(len(own), len(game.actions)),
        )
        after = sum(action.kind == MOVE for action in game.actions[:same])
        last = playable(game)
        if last > after and after < len(review.boards):
            boards = predictor.predict_all(game, list(range(after, last + 1)))
            found.append(Variation(after, game.moves[after:last], tuple(boards)))
    return found


def page(name: str, review: Review, beside: Sequence[Variation] = ()) -> str:
    """The whole file. name: of the record. beside: variations, to be looked at as well."""
    template = resources.files("boardnet").joinpath("page.html").read_text("utf-8")
    head, _, tail = template.partition(_MARK)
    # "</script" would end the script that the data stands in, and "<!--" change how it is read,
    # whatever a player is called.
    data = json.dumps(page_data(name, review, beside), separators=(",", ":")).replace(
        "<", "\\u003c"
    )
    return head.replace("{{title}}", escape(heading(name, review))) + data + tail


def page_data(name: str, review: Review, beside: Sequence[Variation] = ()) -> dict[str, Any]:
    """What the page is made of."""
    rows, columns = review.game.rows, review.game.columns
    data = review_json(name, review)
    data |= {
        "heading": heading(name, review),
        "players": {"BW"[player - 1]: player_name(review, player) for player in PLAYERS},
        "rows": rows,
        "columns": columns,
        "letters": COLUMN_LETTERS[:columns],
        "hoshi": [
            [row, column]
            for row in range(rows)
            for column in range(columns)
            if is_hoshi((row, column), (rows, columns))
        ],
        "boards": [_stones(one) for one in review.boards],
        "priors": [_priors(one) for one in review.boards],
        "black_wins": [review.black_wins(turn) for turn in range(len(review.boards))],
        "surprising": [one.number for one in review.surprising()],
        "variations": [
            {
                "after": one.after,
                "moves": [
                    {"currentPlayer": "BW"[move.colour - 1], "move": vertex(move.point, rows)}
                    for move in one.moves
                ],
                "boards": [_stones(board) for board in one.boards],
                "priors": [_priors(board) for board in one.boards],
            }
            for one in beside
        ],
    }
    return data


def _stones(prediction: Prediction) -> str:
    return "".join(".XO"[stone] for stone in prediction.stones)


def _priors(prediction: Prediction) -> dict[str, float]:
    """The likely moves by their names."""
    cells = prediction.policy.argsort(kind="stable")[::-1]
    last = len(prediction.policy) - 1
    found = {}
    for cell in cells[:40].tolist():
        prior = float(prediction.policy[cell])
        if prior < _LEAST:
            break
        point = None if cell == last else divmod(cell, prediction.columns)
        found[vertex(point, prediction.rows)] = round(prior, 4)
    return found
