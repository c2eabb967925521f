"""The word network: a log-mel spectrogram -> which word it holds, and which words end when.

Filters move along frequency only: a higher voice says the same word with the same pattern further
up, while the order of sounds in time is what makes the word. So there are two kinds of parts.
In `FrameNetwork` filters see one frame at a time and slide along the frequencies of that frame;
it is made from the declaration SPEECH, so that a layer which slid along time could not be
constructed. Two heads then read the frames in their order, and nothing in them is a convolution:
`WordHead` reads a window forwards and backwards and says which word it holds, `SpotHead` reads
forwards only and says at every frame which word has just ended. A long recording needs the first
part only once, however many windows are looked through.

What a frame shows is how loud each band is, and how it rises and bends there: fixed regressions
over five frames, as speech recognisers have had them since Furui 1986, with nothing in them learnt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from common.axes import SPEECH
from common.conv import ResidualBlock, Whole, conv
from common.declaration import Declaration
from speechnet.errors import SpeechnetError
from speechnet.sound.spectrogram import REACH


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The shape of a network.

    channels: of the per-frame stages; each but the first halves the frequencies before it.
    features: numbers a frame comes to. hidden: of the recurrence, in each direction; layers: of it.
    heads: ways of weighing the frames. spotter, spotter_layers: of the recurrence that reads
    forwards only. drop: share of the features left out in training. slopes: whether a frame shows
    how its bands rise and bend.
    """

    channels: tuple[int, ...] = (24, 48, 80)
    features: int = 128
    hidden: int = 128
    layers: int = 1
    heads: int = 4
    spotter: int = 128
    spotter_layers: int = 2
    drop: float = 0.2
    slopes: bool = False  # model files from before there were any do not say it

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))  # TOML and JSON know lists
        numbers = (*self.channels, self.features, self.hidden, self.layers, self.heads)
        numbers += (self.spotter, self.spotter_layers)
        if not self.channels or min(numbers) < 1 or not 0 <= self.drop < 1:
            raise SpeechnetError(f"no network has such a shape: {self}")


class FrameNetwork(nn.Module):
    """What is heard in each frame: filters slide along its frequencies and see no other frame.

    declaration: of a spectrogram; one that lets filters slide along time too makes of this the
    two-dimensional network that it is compared with.
    """

    def __init__(
        self,
        config: NetworkConfig,
        bands: int,
        rng: torch.Generator | None = None,
        declaration: Declaration = SPEECH,
    ) -> None:
        super().__init__()
        first = config.channels[0]
        # A level for each band, learnt from the data: microphones and voices differ in tilt.
        self.level = nn.BatchNorm1d(bands)
        self.slopes = nn.BatchNorm1d(2 * bands) if config.slopes else None
        self.stem = conv(declaration, 3 if config.slopes else 1, first, 5, stride=2, rng=rng)
        bands = (bands + 1) // 2
        # Where in the spectrum a pattern stands has a meaning too, and a filter that slides cannot
        # know it: each channel gets a level of its own in each band.
        self.place = nn.Parameter(torch.zeros(1, first, bands, 1))
        stages: list[nn.Module] = [ResidualBlock(declaration, first, rng=rng)]
        for before, after in zip(config.channels, config.channels[1:], strict=False):
            stages += [
                nn.BatchNorm2d(before),
                nn.ReLU(inplace=True),
                conv(declaration, before, after, 3, stride=2, bias=False, rng=rng),
                ResidualBlock(declaration, after, rng=rng),
            ]
            bands = (bands + 1) // 2
        self.stages = nn.Sequential(*stages)
        self.norm = nn.BatchNorm2d(config.channels[-1])
        self.relu = nn.ReLU(inplace=True)
        self.spectrum = conv(
            declaration,
            config.channels[-1],
            config.features,
            {"frequency": Whole(bands)},
            rng=rng,
        )

    def forward(self, mel: Tensor) -> Tensor:
        """mel: [batch, band, frame], or its `planes` -> features: [batch, frame, feature]."""
        planes = self.planes(mel) if mel.ndim == 3 else mel
        maps = self.stem(planes) + self.place
        maps = self.relu(self.norm(self.stages(maps)))
        heard = functional.relu(self.spectrum(maps)).squeeze(2)  # [batch, feature, frame]
        return heard.transpose(1, 2)

    def planes(self, mel: Tensor) -> Tensor:
        """What a frame shows: [batch, band, frame] -> [batch, plane, band, frame], of which the
        first is the level and the others are its `slopes`, each band on a scale of its own."""
        level: Tensor = self.level(mel)
        if self.slopes is None:
            return level.unsqueeze(1)
        rise, bend = self.slopes(torch.cat(slopes(mel), dim=1)).chunk(2, dim=1)
        return torch.stack([level, rise, bend], dim=1)


def slopes(mel: Tensor) -> tuple[Tensor, Tensor]:
    """How each band rises and bends: the parabola that fits a frame and REACH others to either
    side best (Savitzky and Golay 1964), its slope and its curvature, a frame being the unit.

    mel: [batch, band, frame]. Before the first frame and after the last all stays as it is there.
    """
    wide = functional.pad(mel, (REACH, REACH), mode="replicate")
    far, near, here = wide[..., :-4], wide[..., 1:-3], mel
    near_after, far_after = wide[..., 3:-1], wide[..., 4:]
    rise = (2 * (far_after - far) + (near_after - near)) / 10
    bend = (2 * (far_after + far) - (near_after + near) - 2 * here) / 7
    return rise, bend


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


class SpotHead(nn.Module):
    """What has just ended: a recurrence that knows the past alone, so that a stream can be read."""

    def __init__(self, config: NetworkConfig, classes: int, rng: torch.Generator | None = None):
        super().__init__()
        self.norm = nn.LayerNorm(config.features)
        self.drop = nn.Dropout(config.drop)
        self.recurrence = nn.GRU(
            config.features, config.spotter, config.spotter_layers, batch_first=True
        )
        self.word = nn.Linear(config.spotter, classes)
        _initialise(self, rng)

    def forward(self, features: Tensor) -> Tensor:
        """features: [batch, frame, feature] -> logits: [batch, frame, class]."""
        with torch.autocast(features.device.type, enabled=False):
            states, _ = self.recurrence(self.drop(self.norm(features.float())))
        logits: Tensor = self.word(self.drop(states))
        return logits


class WordNetwork(nn.Module):
    """All parts: logits of the words, of `unknown` and of `silence`."""

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
        rng = rng or torch.Generator().manual_seed(0)
        self.frames = FrameNetwork(config, bands, rng)
        self.head = WordHead(config, len(self.labels), rng)
        self.spotter = SpotHead(config, len(self.labels), rng)

    def forward(self, mel: Tensor) -> Tensor:
        """mel: [batch, band, frame], or its `planes` -> logits: [batch, class]."""
        logits: Tensor = self.head(self.frames(mel))
        return logits

    def take(self, weights: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Take over the weights of another network as far as they fit: those of equal name and
        shape, and in the last layers those of the words that both know.

        facts: of its model file. Raises SpeechnetError if its parts have other shapes.
        """
        labels = list(facts.get("labels", ()))
        pairs = [(at, labels.index(word)) for at, word in enumerate(self.labels) if word in labels]
        mine, theirs = ([pair[which] for pair in pairs] for which in (0, 1))
        state = self.state_dict()
        for name, value in state.items():
            other = weights.get(name)
            if other is None:
                continue
            if ".word." in name and len(other) == len(labels) and other[0].shape == value[0].shape:
                value[mine] = other[theirs].to(value)
            elif other.shape != value.shape:
                raise SpeechnetError(
                    f"the weights to start from have another shape of {name}: use the recipe that"
                    " they were trained with"
                )
            else:
                value.copy_(other)


PARTS = ("frames", "head", "spotter")
"""Of a WordNetwork, by the names of its attributes."""


class Lesson(nn.Module):
    """A network as it is trained: a stretch of sound is a lesson for the parts that are taught.

    teaches: those of PARTS that learn; the others stay as they are. settled: the statistics of the
    per-frame part stay as well, for a few clips cannot know better than the many that they come
    from; they always do where that part is not taught.
    """

    def __init__(
        self, network: WordNetwork, *, teaches: Sequence[str] = PARTS, settled: bool = False
    ) -> None:
        super().__init__()
        self.network, self.teaches = network, tuple(teaches)
        self.settled = settled or "frames" not in teaches
        for part in PARTS:
            getattr(network, part).requires_grad_(part in teaches)

    def train(self, mode: bool = True) -> Lesson:
        """As for any module; what is settled is always as in inference."""
        super().train(mode)
        if self.settled:
            self.network.frames.eval()
        return self

    def forward(self, mel: Tensor, window: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """mel: [batch, band, frame] of stretches; window: [frame], which frames a clip is of.

        Returns the logits of the clips, [batch, class], and those of all frames, [batch, frame,
        class]; None for a head that is not taught.
        """
        network = self.network
        planes = network.frames.planes(mel)
        if "spotter" not in self.teaches:
            return network.head(network.frames(planes[..., window])), None
        features = network.frames(planes)
        clips = network.head(features[:, window]) if "head" in self.teaches else None
        return clips, network.spotter(features)


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
