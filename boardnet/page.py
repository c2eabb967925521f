"""Page: a review as one HTML file that needs nothing else: no network, no server.

The template is `page.html`; here is the data that it shows. Boards are those of the rules engine,
one for each turn, so that the page knows no rules of its own.
"""

from __future__ import annotations

import json
from html import escape
from importlib import resources
from typing import Any

from boardnet.drawing import is_hoshi
from boardnet.predictor import Prediction
from boardnet.reporting import PLAYERS, heading, player_name, review_json
from boardnet.review import Review
from boardnet.vertices import COLUMN_LETTERS, vertex

_LEAST = 0.002  # what is less likely is not shown
_MARK = "/*review*/null"


def page(name: str, review: Review) -> str:
    """The whole file. name: of the record."""
    template = resources.files("boardnet").joinpath("page.html").read_text("utf-8")
    # "</" would end the script that the data stands in, whatever a player is called.
    data = json.dumps(page_data(name, review), separators=(",", ":")).replace("</", "<\\/")
    return template.replace("{{title}}", escape(heading(name, review))).replace(_MARK, data)


def page_data(name: str, review: Review) -> dict[str, Any]:
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
        "boards": ["".join(".XO"[stone] for stone in one.stones) for one in review.boards],
        "priors": [_priors(one) for one in review.boards],
        "black_wins": [review.black_wins(turn) for turn in range(len(review.boards))],
        "surprising": [one.number for one in review.surprising()],
    }
    return data


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
