"""Explain: which bands and moments of a clip decided its word, and what the network waits for.

The tools are those of `common.explain`, unchanged; here is what they mean for speech. Scores are
log-odds in nats, calibrated: a probability that is nearly 1 hardly moves. What is covered is
covered as in training, by the clip's mean (SpecAugment); a map is [band, frame]. What decided can
be played: the other cells of the spectrogram are made quiet, with the clip's own phases. Torch is
needed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from common import explain
from common.explain import Ascent
from common.export import load_weights
from speechnet.classifier import Answer, Classifier, model_folder
from speechnet.errors import SpeechnetError
from speechnet.export import WEIGHTS
from speechnet.network import NetworkConfig, WordNetwork
from speechnet.sampling import band_centres
from speechnet.spectrogram import FrontEnd, log_mel
from speechnet.windows import WINDOW, pad

Floats = NDArray[np.float32]

METHODS = ("occlusion", "gradient", "smoothgrad", "integrated")

PATCH = (8, 6)
"""Bands and frames that are covered together: what a consonant takes."""

DECIDES = 0.5
"""Share of the greatest cost from which on a band or a moment is said to have decided."""

QUIET = 0.03
"""What is left of the sound where nothing decided: -30 dB."""

RANGE = (np.log(1e-7), 2.0)
"""Log-power of a spectrogram, from nothing to a loud vowel: what the network waits for is drawn
within this."""

STROKES = Ascent(steps=200, rate=0.03, l1=0.1, pen=1.2)
"""How what maximises a word is found; chosen by eye, so that its formants can be seen."""

ROOM = 10
"""Frames of quiet that are kept on both sides of what is drawn, or it would cling to the ends."""


@dataclass(frozen=True, eq=False)
class Explained:
    """What decided a word.

    answer: the classifier's. word, probability: what is explained. mel, map: [band, frame]; the map
    is in nats but for gradients. moments: [frame], bands: [band]: nats that the word loses when
    this is covered. samples: [sample] of the second that was judged, which starts at `start`.
    """

    answer: Answer
    word: str
    probability: float
    start: float
    samples: Floats
    mel: Floats
    map: Floats
    moments: Floats
    bands: Floats
    front: FrontEnd

    @property
    def seconds(self) -> list[tuple[float, float]]:
        """The moments that decided, in seconds of the clip, the weightiest first."""
        frame = self.front.hop / self.front.rate
        width = self.front.fft / self.front.rate
        return [
            (self.start + first * frame, self.start + last * frame + width)
            for first, last in spans(self.moments)
        ]

    @property
    def hertz(self) -> list[tuple[float, float]]:
        """The bands that decided, in Hz, the weightiest first."""
        centres = band_centres(self.front)
        return [(float(centres[first]), float(centres[last])) for first, last in spans(self.bands)]


def spans(cost: Floats) -> list[tuple[int, int]]:
    """Where a curve is above DECIDES of its peak: (first, last), the largest sum first.

    >>> spans(np.array([0, 1, 1, 0, 0, 2, 0], np.float32))
    [(1, 2), (5, 5)]
    """
    if cost.max() <= 0:
        return []
    high = np.concatenate([[False], cost >= DECIDES * cost.max(), [False]])
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
        logits: Tensor = self.network(mel.squeeze(1))
        logits = logits / self.temperature
        # Each class against all others: for the odds of one, its own logit is left out.
        own = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
        others = logits[:, None].masked_fill(own, -torch.inf).logsumexp(dim=2)
        odds: Tensor = logits - others
        return odds


class Drawn(nn.Module):
    """The same for spectrograms on a scale from 0, nothing, to 1, so that drawing starts there."""

    def __init__(self, heard: Heard) -> None:
        super().__init__()
        self.heard = heard

    def forward(self, picture: Tensor) -> Tensor:
        """picture: [batch, 1, band, frame]."""
        whole = functional.pad(picture, (ROOM, ROOM))
        scores: Tensor = self.heard(RANGE[0] + whole * (RANGE[1] - RANGE[0]))
        return scores


class Explainer:
    """Explains the answers of a model."""

    def __init__(self, classifier: Classifier, heard: Heard) -> None:
        self.classifier, self.heard = classifier, heard
        self.labels, self.front = classifier.labels, classifier.front

    @classmethod
    def load(cls, folder: str | PathLike[str] | None = None) -> Explainer:
        """The shipped network, or the one in a folder. Raises CommonError if it is damaged."""
        classifier = Classifier.load(folder)
        with model_folder(folder) as place:
            weights, facts = load_weights(place / WEIGHTS)
        config = NetworkConfig(**facts["recipe"]["network"])
        network = WordNetwork(config, bands=classifier.front.bands, labels=facts["labels"])
        network.load_state_dict(weights)
        return cls(classifier, Heard(network, classifier.temperature).eval())

    def explain(
        self, samples: Floats, *, word: str | None = None, method: str = "occlusion", seed: int = 0
    ) -> Explained:
        """What decided that a clip is a word, or what speaks for another one.

        samples: float32 [sample] at 16 kHz; of a longer clip the second is explained that it is
        answered by. word: the answer if none is named. method: one of METHODS. seed: of smoothgrad.
        Raises SpeechnetError for a word or a method that there is not.
        """
        answer = self.classifier.classify(samples, top=len(self.labels))
        word = answer.word if word is None else word
        if word not in self.labels or method not in METHODS:
            kind, wrong = ("word", word) if word not in self.labels else ("method", method)
            known = self.labels if kind == "word" else METHODS
            raise SpeechnetError(f"there is no {kind} {wrong}: choose among {', '.join(known)}")
        wave = pad(samples)
        first = min(round(answer.start * self.front.rate), len(wave) - WINDOW)
        wave = wave[first : first + WINDOW]
        mel = np.ascontiguousarray(log_mel(wave, self.front))
        padded = max(0, WINDOW - len(samples)) // 2
        target, input = self.labels.index(word), mel[None, None]
        chances = {guess.word: guess.probability for guess in answer.guesses}
        return Explained(
            answer=answer, word=word, probability=chances[word],
            start=(first - padded) / self.front.rate, samples=wave, mel=mel,
            map=self._map(input, target, method, seed),
            moments=self._covered(input, target, (mel.shape[0], PATCH[1]))[0],
            bands=self._covered(input, target, (PATCH[0], mel.shape[1]))[:, 0],
            front=self.front,
        )  # fmt: skip

    def _map(self, input: Floats, target: int, method: str, seed: int) -> Floats:
        """[band, frame]."""
        nothing = float(input.mean())
        if method == "occlusion":
            return self._covered(input, target, PATCH)
        if method == "integrated":
            found = explain.integrated_gradients(self.heard, input, target, baseline=nothing)
        elif method == "smoothgrad":
            rng = torch.Generator().manual_seed(seed)
            found = explain.smoothgrad(self.heard, input, target, rng=rng)
        else:
            found = explain.saliency(self.heard, input, target)
        return np.asarray(found[0, 0])

    def _covered(self, input: Floats, target: int, patch: tuple[int, int]) -> Floats:
        """Nats that are lost where it is covered: [band, frame]. A patch as long as an axis covers
        all of it; else it moves by a third of itself."""
        sizes = input.shape[2:]
        stride = [
            size if long == size else max(1, long // 3)
            for long, size in zip(patch, sizes, strict=True)
        ]
        found = explain.occlusion(
            self.heard, input, target, patch=patch, stride=stride, fill=float(input.mean())
        )
        return np.asarray(found[0])

    def maximize(self, words: list[str], how: Ascent = STROKES) -> Floats:
        """The spectrograms that the network takes for these words before all others: [word, band,
        frame], log-powers. Raises SpeechnetError for a word that it does not know."""
        unknown = [word for word in words if word not in self.labels]
        if unknown:
            raise SpeechnetError(
                f"the network does not know {unknown[0]}: it knows {', '.join(self.labels)}"
            )
        drawn = self.front.frames(WINDOW) - 2 * ROOM
        start = np.zeros((1, 1, self.front.bands, drawn), np.float32)
        found = explain.maximize(
            Drawn(self.heard), start, [self.labels.index(word) for word in words], how=how
        )
        whole = np.pad(found[:, 0], ((0, 0), (0, 0), (ROOM, ROOM)))
        return np.asarray(RANGE[0] + whole * (RANGE[1] - RANGE[0]), np.float32)

    def filters(self) -> tuple[Floats, Floats]:
        """The first layer: its filters, [filter, band], lowest band first, and the level that each
        adds in every second band of the whole spectrum, [filter, place]."""
        stem = explain.filters(self.heard, "network.frames.stem")[:, 0, :, 0]
        place = self.heard.network.frames.place.detach().numpy()[0, :, :, 0]
        return stem, place


def kept(explained: Explained) -> Floats:
    """How much of each cell is kept when what decided is played: [band, frame], QUIET to 1."""
    peak = float(explained.map.max())
    if peak <= 0:
        return np.full_like(explained.map, QUIET)
    share: Floats = np.clip(explained.map / np.float32(DECIDES * peak), QUIET, 1)
    return share


def masked(samples: Floats, gains: Floats, front: FrontEnd) -> Floats:
    """Sound with each band of each frame made quieter: [sample], [band, frame] -> [sample].

    A band's gain holds for the bins that it hears, shared out as they are heard. Frames overlap by
    half, so that Hann's windows add up to one and a gain of 1 everywhere changes nothing.
    """
    if 2 * front.hop != front.fft:
        raise SpeechnetError("only frames that overlap by half can be put together again")
    weights = front.filters / np.maximum(front.filters.sum(axis=0), 1e-12)
    bins = weights.T @ gains  # [bin, frame]
    unheard = np.flatnonzero(front.filters.sum(axis=0) <= 0)
    heard = np.flatnonzero(front.filters.sum(axis=0) > 0)
    bins[unheard] = bins[heard[np.abs(heard[:, None] - unheard).argmin(axis=0)]]
    count = gains.shape[1]
    # A frame more at either end, so that every sample lies in two.
    wave = np.pad(samples, (front.hop, front.fft + (count + 1) * front.hop - len(samples)))
    out = np.zeros_like(wave)
    for place in range(count + 2):
        at = place * front.hop
        spectrum = np.fft.rfft(wave[at : at + front.fft] * front.window)
        spectrum *= bins[:, min(max(place - 1, 0), count - 1)]
        out[at : at + front.fft] += np.fft.irfft(spectrum, front.fft).astype(np.float32)
    result: Floats = out[front.hop : front.hop + len(samples)]
    return result
