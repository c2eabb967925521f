"""Explain: which bands and moments of a clip decided its word.

The tools are those of `common.explain`, unchanged; here is what they mean for speech. Scores are
calibrated log-odds in nats, for a probability that is nearly 1 hardly moves: when a word loses one
nat, its odds fall to 37%. What is covered is covered as in training, by the clip's mean
(SpecAugment). A map is [band, frame], lowest band first. Torch is needed here. What the network
waits for by itself is in `prototypes`; how this is drawn, in `explain_drawing`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

from common import explain
from speechnet.errors import SpeechnetError
from speechnet.explaining.masking import masked
from speechnet.hearing.classifier import Answer, Classifier, model_folder
from speechnet.network import NetworkConfig, WordNetwork
from speechnet.sound.spectrogram import FrontEnd, log_mel
from speechnet.sound.windows import WINDOW, pad
from speechnet.training.export import WEIGHTS, read_weights
from speechnet.training.sampling import band_centres

Floats = NDArray[np.float32]
Span = tuple[float, float]

METHODS = ("occlusion", "gradient", "smoothgrad", "integrated")

PATCH = (9, 6)
"""Bands and frames that are covered together: what a consonant takes."""

STEPS = 100
"""Of integrated gradients: what they miss is then a hundredth of what they explain."""

DECIDES = 0.5
"""Share of a map's greatest value from which on a cell, a band or a moment is said to decide."""

SHARES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0)
"""Of the cells, tried in turn until they are enough for the word."""

ENOUGH = 0.5
"""Probability of the word at which it is heard in what was left."""

LEAST = 1e-3
"""Below this nothing decides: it is rounding. What has no shape, as perfect silence, stays the same
when it is covered."""

QUIET = 0.003
"""What is left of the sound where nothing decided: -50 dB. The network hears a word 30 dB lower
as well as ever, so that at -30 dB what did not decide would still be understood."""


@dataclass(frozen=True)
class Patch:
    """A part of the spectrogram: from when to when (seconds of the clip), from where to where
    (Hz)."""

    seconds: Span
    hertz: Span


@dataclass(frozen=True, eq=False)
class Explained:
    """What decided a word.

    answer: the classifier's. word, probability: what is explained. samples: float32 [sample], the
    second that was judged; it starts at `start` seconds of the clip, before 0 where quiet was put
    around a shorter one. mel, map: [band, frame]; the map is in nats, but for gradients. method: of
    METHODS, by which the map was made. moments [frame], bands [band]: nats that the word loses when
    this is covered.
    """

    answer: Answer
    word: str
    probability: float
    start: float
    samples: Floats
    mel: Floats
    map: Floats
    method: str
    moments: Floats
    bands: Floats
    front: FrontEnd

    @property
    def decisive_moments(self) -> list[tuple[int, int]]:
        """The frames that decided, (first, last), the weightiest first."""
        return spans(self.moments)

    @property
    def decisive_bands(self) -> list[tuple[int, int]]:
        """The bands that decided, (first, last), the weightiest first."""
        return spans(self.bands)

    @property
    def seconds(self) -> list[Span]:
        """The moments that decided, in seconds of the clip, the weightiest first."""
        found = [self._when(*span) for span in self.decisive_moments]
        return [span for span in found if span[0] < span[1]]  # the others are beside the clip

    @property
    def hertz(self) -> list[Span]:
        """The bands that decided, in Hz, the weightiest first."""
        return [self._where(*span) for span in self.decisive_bands]

    @property
    def patches(self) -> list[Patch]:
        """What decided by the map: the frames around each piece of it, the weightiest first."""
        pieces, count = ndimage.label(self.decided)
        weights = ndimage.sum_labels(self.map, pieces, range(1, count + 1))
        boxes = ndimage.find_objects(pieces)
        order = np.argsort(-np.asarray(weights), kind="stable")
        found = [
            Patch(
                self._when(frames.start, frames.stop - 1), self._where(bands.start, bands.stop - 1)
            )
            for bands, frames in (boxes[at] for at in order.tolist())
        ]
        return [patch for patch in found if patch.seconds[0] < patch.seconds[1]]

    @property
    def decided(self) -> NDArray[np.bool_]:
        """Which cells decided: [band, frame]."""
        decided: NDArray[np.bool_] = self.map >= DECIDES * max(LEAST, self.map.max())
        return decided

    def mask(self, cells: float) -> Floats:
        """For `masking.masked`: 1 for this share of the cells, the weightiest, and QUIET for the
        others."""
        least = np.quantile(self.map, 1 - cells)
        mask: Floats = np.where(self.map >= least, 1, QUIET).astype(np.float32)
        return mask

    @property
    def edges(self) -> NDArray[np.float64]:
        """Seconds of the clip, half-way between the middles of neighbouring frames: [frame + 1]."""
        count, front = np.arange(self.mel.shape[1] + 1), self.front
        edges: NDArray[np.float64] = (count * front.hop + (front.fft - front.hop) / 2) / front.rate
        return self.start + edges

    def _when(self, first: int, last: int) -> Span:
        """Of frames, inside of the clip."""
        low, high = np.clip(self.edges[[first, last + 1]], 0, self.answer.seconds).tolist()
        return low, high

    def _where(self, first: int, last: int) -> Span:
        edges = band_edges(self.front)
        return float(edges[first]), float(edges[last + 1])


@dataclass(frozen=True, eq=False)
class Alone:
    """Some cells of a clip, played by themselves.

    samples: float32 [sample]; the other cells are made quiet. probability: of the word. cells: the
    share of all that they are.
    """

    samples: Floats
    probability: float
    cells: float


def band_edges(front: FrontEnd) -> NDArray[np.float64]:
    """Hz half-way between the middles of neighbouring bands, and at both ends: [band + 1]."""
    centres = band_centres(front)
    return np.concatenate([[front.fmin], (centres[1:] + centres[:-1]) / 2, [front.fmax]])


def spans(cost: Floats) -> list[tuple[int, int]]:
    """Where a curve is above DECIDES of its peak: (first, last), the largest sum first.

    >>> spans(np.array([0, 1, 1, 0, 0, 2, 0], np.float32))
    [(1, 2), (5, 5)]
    """
    high = np.concatenate([[False], cost >= DECIDES * max(LEAST, cost.max()), [False]])
    edges = np.flatnonzero(np.diff(high)).reshape(-1, 2)
    return sorted(
        ((int(first), int(last) - 1) for first, last in edges),
        key=lambda one: -float(cost[one[0] : one[1] + 1].sum()),
    )


class Heard(nn.Module):
    """A word network as one of pictures: [batch, 1, band, frame] -> log-odds [batch, class]."""

    def __init__(self, network: WordNetwork, temperature: float) -> None:
        super().__init__()
        self.network, self.temperature = network, temperature

    def forward(self, mel: Tensor) -> Tensor:
        """mel: of log-powers."""
        logits: Tensor = self.network(mel.squeeze(1)) / self.temperature
        # Each class against all others: for the odds of one, its own logit is left out.
        own = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
        others = logits[:, None].masked_fill(own, -torch.inf).logsumexp(dim=2)
        odds: Tensor = logits - others
        return odds


class Explainer:
    """Explains the answers of a model. The shipped one's: `Explainer.load()`."""

    def __init__(self, classifier: Classifier, network: WordNetwork) -> None:
        self.classifier, self.heard = classifier, Heard(network, classifier.temperature).eval()
        self.labels, self.front = classifier.labels, classifier.front

    @classmethod
    def load(cls, folder: str | PathLike[str] | None = None) -> Explainer:
        """The shipped network, or the one in a folder that `speechnet export` has written.

        Raises CommonError if it is damaged, or if its weights are not the classifier's.
        """
        classifier = Classifier.load(folder)
        with model_folder(folder) as place:
            weights, facts = read_weights(place)
        if facts.get("run") != classifier.facts.get("run"):
            raise SpeechnetError(
                f"{place / WEIGHTS} is of another network than the files beside it: export it again"
            )
        config = NetworkConfig(**facts["recipe"]["network"])
        network = WordNetwork(config, bands=classifier.front.bands, labels=classifier.labels)
        network.load_state_dict(weights)
        return cls(classifier, network)

    def explain(
        self, samples: Floats, *, word: str | None = None, method: str = "occlusion", seed: int = 0
    ) -> Explained:
        """What decided that a clip is a word, or what speaks for another one.

        samples: float32 [sample] at 16 kHz; of a longer clip the second is explained that it is
        answered by. word: the answer if none is named. method: one of METHODS, by which the map is
        made; the moments' and the bands' costs are always occlusion. seed: of smoothgrad.
        Raises SpeechnetError for a word or a method that there is not.
        """
        answer = self.classifier.classify(samples, top=len(self.labels))
        word = answer.word if word is None else word
        target = self.number(word)
        padded = max(0, WINDOW - len(samples)) // 2
        first = round(answer.start * self.front.rate)
        wave = pad(samples)[first : first + WINDOW]
        mel = np.ascontiguousarray(log_mel(wave, self.front))
        return Explained(
            answer=answer,
            word=word,
            probability={one.word: one.probability for one in answer.guesses}[word],
            start=(first - padded) / self.front.rate,
            samples=wave,
            mel=mel,
            map=self.map(mel, word, method=method, seed=seed),
            method=method,
            moments=self._covered(mel, target, (mel.shape[0], PATCH[1]), (1, 1))[0],
            bands=self._covered(mel, target, (PATCH[0], mel.shape[1]), (1, 1))[:, 0],
            front=self.front,
        )

    def map(self, mel: Floats, word: str, *, method: str = "occlusion", seed: int = 0) -> Floats:
        """What each cell of a spectrogram [band, frame] does for a word: the same shape.

        Raises SpeechnetError as `explain` does.
        """
        target, input = self.number(word), mel[None, None]
        if method not in METHODS:
            raise SpeechnetError(f"there is no method {method}: choose among {', '.join(METHODS)}")
        if method == "occlusion":
            return self._covered(mel, target, PATCH, (PATCH[0] // 3, PATCH[1] // 3))
        if method == "integrated":
            nothing = float(mel.mean())
            found = explain.integrated_gradients(
                self.heard, input, target, baseline=nothing, steps=STEPS
            )
        elif method == "smoothgrad":
            rng = torch.Generator().manual_seed(seed)
            found = explain.smoothgrad(self.heard, input, target, rng=rng)
        else:
            found = explain.saliency(self.heard, input, target)
        return np.asarray(found[0, 0])

    def _covered(
        self, mel: Floats, target: int, patch: tuple[int, int], stride: tuple[int, int]
    ) -> Floats:
        """Nats that are lost where a patch covers the spectrogram: [band, frame]."""
        fill = float(mel.mean())
        found = explain.occlusion(
            self.heard, mel[None, None], target, patch=patch, stride=stride, fill=fill
        )
        return np.asarray(found[0])

    def alone(self, explained: Explained) -> Alone:
        """As few cells as are enough for the word by themselves, as sound; found by smoothgrad,
        whatever the map was made by: occlusion finds what is needed, which is not the same."""
        weighed = explained
        if explained.method != "smoothgrad":
            made = self.map(explained.mel, explained.word, method="smoothgrad")
            weighed = replace(explained, map=made, method="smoothgrad")
        for cells in SHARES:
            found = self.played(weighed, cells)
            if found.probability >= ENOUGH:
                break
        return found

    def played(self, explained: Explained, cells: float) -> Alone:
        """The weightiest cells of the map, this share of all, as sound."""
        wave = masked(explained.samples, explained.mask(cells), self.front)
        wave /= max(1.0, float(np.abs(wave).max()))  # filtered waves may reach higher than before
        guesses = self.classifier.classify(wave, top=len(self.labels)).guesses
        chance = {one.word: one.probability for one in guesses}[explained.word]
        return Alone(wave, chance, cells)

    def number(self, word: str) -> int:
        """Which class a word is. Raises SpeechnetError if it is none."""
        if word not in self.labels:
            raise SpeechnetError(
                f"the network does not know {word}: it knows {', '.join(self.labels)}"
            )
        return self.labels.index(word)
