"""Which way of explaining a word is to be believed:

    python benchmarks/speech_explain.py [CLIPS [METHOD ...]]

For each method the word's mean probability with the weightiest tenth of the cells covered, and with
the weightiest three tenths played alone; by chance: the same masks, moved elsewhere.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from speechnet.explaining.explain import METHODS, Explained, Explainer
from speechnet.labels import SILENCE, UNKNOWN
from speechnet.sound import audio
from speechnet.sound.files import sound_files

COVERED, PLAYED, MOVES = 0.1, 0.3, 4


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "data/clips")
    explainer = Explainer.load()
    rng = np.random.default_rng(0)
    for method in sys.argv[2:] or METHODS:
        rows = []
        for path in sound_files(folder):
            found = explainer.explain(audio.read(path).samples, method=method)
            if found.word in (UNKNOWN, SILENCE):
                continue
            places = [rng.integers(size) for size in found.map.shape for _ in range(MOVES)]
            moved = [
                replace(found, map=np.roll(found.map, move, (0, 1)))
                for move in zip(places[:MOVES], places[MOVES:], strict=True)
            ]
            rows.append(
                (
                    found.probability,
                    covered(explainer, found, found.map),
                    np.mean([covered(explainer, found, one.map) for one in moved]),
                    explainer.played(found, PLAYED).probability,
                    np.mean([explainer.played(one, PLAYED).probability for one in moved]),
                )
            )
        whole, hidden, by_chance, alone, elsewhere = np.mean(rows, axis=0)
        print(
            f"{method:12} of {whole:.0%} in {len(rows)} clips: a tenth covered {hidden:.0%}"
            f" (by chance {by_chance:.0%}), alone {alone:.0%} (by chance {elsewhere:.0%})"
        )


@torch.no_grad()
def covered(explainer: Explainer, found: Explained, weights: np.ndarray) -> float:
    """The word's probability with the weightiest cells at the clip's mean, as `explain` covers."""
    mel = found.mel.copy()
    mel[weights >= np.quantile(weights, 1 - COVERED)] = mel.mean()
    odds = explainer.heard(torch.from_numpy(mel)[None, None])[0, explainer.number(found.word)]
    return float(odds.sigmoid())


if __name__ == "__main__":
    main()
