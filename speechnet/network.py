"""The word network: a log-mel spectrogram -> which word it holds.

Filters move along frequency only: a higher voice says the same word with the same pattern further
up, while the order of sounds in time is what makes the word. So there are two parts. `FrameNetwork`
sees one frame at a time, and its filters slide along the frequencies of that frame. `WordHead` then
reads the frames in their order, forwards and backwards, and weighs them; nothing in it is a
convolution. Both are made from the declaration SPEECH, so that a layer which slid along time could
not be constructed. A long recording needs the first part only once, however many windows the
second one looks through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from common.axes import SPEECH
from common.conv import ResidualBlock, Whole, conv
from speechnet.errors import SpeechnetError


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The shape of a network.

    channels: of the per-frame stages; each but the first halves the frequencies before it.
    features: numbers a frame comes to. hidden: of the recurrence, in each direction; layers: of it.
    heads: ways of weighing the frames. drop: share of the features left out in training.
    """

    channels: tuple[int, ...] = (24, 48, 80)
    features: int = 128
    hidden: int = 128
    layers: int = 1
    heads: int = 4
    drop: float = 0.2

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))  # TOML and JSON know lists
        numbers = (*self.channels, self.features, self.hidden, self.layers, self.heads)
        if not self.channels or min(numbers) < 1 or not 0 <= self.drop < 1:
            raise SpeechnetError(f"no network has such a shape: {self}")


class FrameNetwork(nn.Module):
    """What is heard in each frame, seen from no other: filters slide along its frequencies."""

    def __init__(self, config: NetworkConfig, bands: int, rng: torch.Generator | None = None):
        super().__init__()
        first = config.channels[0]
        # A level for each band, learnt from the data: microphones and voices differ in tilt.
        self.level = nn.BatchNorm1d(bands)
        self.stem = conv(SPEECH, 1, first, 5, stride=2, rng=rng)
        bands = (bands + 1) // 2
        # Where in the spectrum a pattern stands has a meaning too, and a filter that slides cannot
        # know it: each channel gets a level of its own in each band.
        self.place = nn.Parameter(torch.zeros(1, first, bands, 1))
        stages: list[nn.Module] = [ResidualBlock(SPEECH, first, rng=rng)]
        for before, after in zip(config.channels, config.channels[1:], strict=False):
            stages += [
                nn.BatchNorm2d(before),
                nn.ReLU(inplace=True),
                conv(SPEECH, before, after, 3, stride=2, bias=False, rng=rng),
                ResidualBlock(SPEECH, after, rng=rng),
            ]
            bands = (bands + 1) // 2
        self.stages = nn.Sequential(*stages)
        self.norm = nn.BatchNorm2d(config.channels[-1])
        self.relu = nn.ReLU(inplace=True)
        self.spectrum = conv(
            SPEECH, config.channels[-1], config.features, {"frequency": Whole(bands)}, rng=rng
        )

    def forward(self, mel: Tensor) -> Tensor:
        """mel: [batch, band, frame] -> features: [batch, frame, feature]."""
        maps = self.stem(self.level(mel).unsqueeze(1)) + self.place  # [batch, channel, band, frame]
        maps = self.relu(self.norm(self.stages(maps)))
        heard = functional.relu(self.spectrum(maps)).squeeze(2)  # [batch, feature, frame]
        return heard.transpose(1, 2)


class WordHead(nn.Module):
    """What the frames make in their order: a recurrence both ways, and attention over its states.

    Attention as in Lin et al. 2017, "A structured self-attentive sentence embedding".
    """

    def __init__(self, config: NetworkConfig, classes: int, rng: torch.Generator | None = None):
        super().__init__()
        width = 2 * config.hidden
        self.norm = nn.LayerNorm(config.features)
        self.drop = nn.Dropout(config.drop)
        self.recurrence = nn.GRU(
            config.features, config.hidden, config.layers, batch_first=True, bidirectional=True
        )
        self.weigh = nn.Sequential(nn.Linear(width, 64), nn.Tanh(), nn.Linear(64, config.heads))
        self.hidden = nn.Linear(config.heads * width, 128)
        self.word = nn.Linear(128, classes)
        _initialise(self, rng)

    def forward(self, features: Tensor) -> Tensor:
        """features: [batch, frame, feature] -> logits: [batch, class]."""
        # The recurrence adds up over many frames: it needs all the digits that there are.
        with torch.autocast(features.device.type, enabled=False):
            states, _ = self.recurrence(self.drop(self.norm(features.float())))
        weights = self.weigh(states).softmax(dim=1)  # [batch, frame, head]
        seen = weights.transpose(1, 2) @ states  # [batch, head, 2 * hidden]
        hidden = functional.relu(self.hidden(self.drop(seen.flatten(1))))
        logits: Tensor = self.word(self.drop(hidden))
        return logits


class WordNetwork(nn.Module):
    """Both parts: logits of the words, of `unknown` and of `silence`."""

    def __init__(
        self,
        config: NetworkConfig,
        *,
        bands: int,
        labels: Sequence[str],
        rng: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.config, self.labels = config, tuple(labels)
        self.frames = FrameNetwork(config, bands, rng)
        self.head = WordHead(config, len(self.labels), rng)

    def forward(self, mel: Tensor) -> Tensor:
        """mel: [batch, band, frame] -> logits: [batch, class]."""
        logits: Tensor = self.head(self.frames(mel))
        return logits


def _initialise(head: nn.Module, rng: torch.Generator | None) -> None:
    """Draw the weights from `rng`: matrices orthogonal in the recurrence, He elsewhere."""
    for name, parameter in head.named_parameters():
        if parameter.ndim < 2:
            if "norm" not in name:
                nn.init.zeros_(parameter)
        elif "weight_hh" in name:
            for gate in parameter.data.chunk(3):
                nn.init.orthogonal_(gate, generator=rng)
        else:
            nn.init.xavier_uniform_(parameter, generator=rng)
