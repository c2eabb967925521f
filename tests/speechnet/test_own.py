"""Somebody's own words: what is wrong with the clips, who is held out, and a network that knows."""

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import soundfile
import torch

from common.config import TrainConfig
from speechnet.cli import main
from speechnet.clips import bank
from speechnet.clips.words import Clip
from speechnet.errors import SpeechnetError
from speechnet.labels import SILENCE, UNKNOWN
from speechnet.sound.spectrogram import FrontEnd
from speechnet.training import choosing, own, review, tuning
from speechnet.training.augment import Augment
from speechnet.training.noise import Noise
from speechnet.training.tuning import Base, Checked, Tuning, check, folds_of, labels_of, tune

TINY = {"channels": [4, 6], "features": 8, "hidden": 12, "heads": 1, "spotter": 10}
PITCH = {"high": 1200.0, "low": 200.0, "middle": 500.0}


def samples(word: str, seed: int, level: float = 0.2) -> np.ndarray:
    """A "word" of 0.4 s in half a second of hiss: harmonics that fade in and out."""
    rng = np.random.default_rng((seed, len(word)))
    # Nobody's pitch stays: two steady tones of the same pitch would be the same recording.
    glide = np.interp(np.arange(6_400), np.linspace(0, 6_400, 6), rng.uniform(0.9, 1.1, 6))
    turns = np.cumsum(PITCH[word] * glide) / 16_000
    tone = sum(np.sin(2 * np.pi * k * turns + rng.uniform(0, 6)) / k for k in (1, 2, 3))
    wave = 0.002 * rng.standard_normal(8_000)
    wave[800:7_200] += tone * np.sin(np.pi * np.arange(6_400) / 6_400)
    return (32767 * level * wave / np.abs(wave).max()).astype(np.int16)


def clip(word: str, number: int, speaker: str = "", wave: np.ndarray | None = None) -> Clip:
    wave = samples(word, number) if wave is None else wave
    loud = 20 * np.log10(np.abs(wave).max() / 32768 + 1e-9) - 6 if wave.any() else -np.inf
    return Clip(f"{word}/{number}.wav", word, speaker or f"p{number}", wave, float(loud))


def many(word: str, count: int) -> list[Clip]:
    return [clip(word, number) for number in range(count)]


def told(clips: list[Clip]) -> str:
    return "\n".join(review.faults(clips))


# What is wrong with clips


def test_good_clips_have_no_faults() -> None:
    assert told([*many("high", 16), *many("low", 16)]) == ""


def test_few_clips_and_few_voices_are_told() -> None:
    clips = [clip("high", number, "me") for number in range(6)]
    assert "high has 6 clips" in told(clips)
    assert "of 1 speaker:" in told(clips)


def test_silent_faint_clipped_and_long_clips_are_named() -> None:
    clips = many("high", 16)
    clips[2] = clip("high", 2, wave=np.zeros(8_000, np.int16))
    clips[3] = clip("high", 3, wave=samples("high", 3, level=1e-3))
    loud = np.clip(samples("high", 4).astype(float) * 20, -32768, 32767).astype(np.int16)
    clips[4] = clip("high", 4, wave=loud)
    clips[5] = clip("high", 5, wave=np.tile(samples("high", 5), 7))
    sentences = told(clips)
    assert "high/2.wav is silent" in sentences
    assert "high/3.wav: nearly silent" in sentences
    assert "high/4.wav: clipped" in sentences
    assert "high/5.wav: longer than" in sentences


def test_a_clip_of_a_minute_is_named_like_any_that_is_too_long() -> None:
    clips = many("high", 16)
    clips[5] = clip("high", 5, wave=np.tile(samples("high", 5), 120))
    assert told(clips) == "high/5.wav: longer than 2.5 s: cut it to the word"


def test_the_same_recording_is_known_again_louder_moved_and_cut() -> None:
    clips = many("high", 16)
    moved = np.concatenate([np.zeros(900, np.int16), clips[7].samples[:7_600] // 2])
    clips[9] = clip("high", 9, wave=moved)
    assert review.alike(clips) == [(clips[7], clips[9])]


def checked(truth: list[int], sure: list[tuple[int, float]]) -> Checked:
    """Two words, unknown and silence; (class, probability) of each clip's answer."""
    logits = np.full((len(truth), 4), 0.0, np.float32)
    for row, (answer, chance) in enumerate(sure):
        logits[row] = np.log((1 - chance) / 3)
        logits[row, answer] = np.log(chance)
    clips = [clip("high" if which == 0 else "low", at) for at, which in enumerate(truth)]
    return Checked(clips, ("high", "low", UNKNOWN, SILENCE), logits, np.array(truth))


def test_a_clip_that_others_take_for_another_word_is_suspicious() -> None:
    found = checked([0, 0, 1, 1, 2], [(0, 0.9), (1, 0.95), (0, 0.5), (2, 0.99), (0, 0.99)])
    [(one, word, chance)] = review.mislabelled(found)
    assert (one.name, word) == ("high/1.wav", "low")
    assert chance == pytest.approx(0.95)


def test_recall_is_that_of_a_case_counted_by_hand() -> None:
    found = checked([0, 0, 1, 1, 2], [(0, 0.9), (1, 0.9), (1, 0.9), (1, 0.9), (2, 0.9)])
    assert found.recall == {"high": 0.5, "low": 1.0, UNKNOWN: 1.0}
    assert found.balanced == pytest.approx(2.5 / 3)
    low, high = own.interval(found)
    assert low < found.balanced < high <= 1


# Who is held out


def test_no_speaker_is_in_two_folds_and_every_fold_has_every_word() -> None:
    clips = [
        Clip(f"{word}/{speaker}{take}", word, f"s{speaker}", samples(word, 0), -20.0)
        for word in ("high", "low")
        for speaker in range(7)
        for take in range(1 + speaker % 3)
    ]
    fold = folds_of(clips, 3)
    of = {clip.speaker: which for clip, which in zip(clips, fold, strict=True)}
    assert all(of[clip.speaker] == which for clip, which in zip(clips, fold, strict=True))
    for which in range(3):
        assert {c.word for c, f in zip(clips, fold, strict=True) if f == which} == {"high", "low"}
    np.testing.assert_array_equal(fold[::-1], folds_of(clips[::-1], 3))


def test_a_speaker_of_all_clips_leaves_the_folds_of_the_clips() -> None:
    clips = [clip("high", number, "me") for number in range(9)]
    assert sorted(np.bincount(folds_of(clips, 3))) == [3, 3, 3]


def test_what_cannot_be_learnt_is_told() -> None:
    with pytest.raises(SpeechnetError, match="no words to learn"):
        labels_of([clip("high", 0)][:0])
    with pytest.raises(SpeechnetError, match="high has 3 clips"):
        labels_of(many("high", 3))
    others = [Clip("unknown/1", UNKNOWN, "x", samples("low", 0), -20.0)]
    assert labels_of([*many("high", 4), *others]) == ("high", UNKNOWN, SILENCE)


# The clips of other words


def test_the_bank_has_many_words_and_speakers_and_leaves_out_those_asked_for() -> None:
    found = bank.others(())
    assert len(found) > 500
    assert len({one.word for one in found}) == 35
    assert len({one.speaker for one in found}) > 200
    without = bank.others(("yes", "bed"))
    assert {one.word for one in found} - {one.word for one in without} == {"yes", "bed"}


# Tuning


def how(steps: int) -> Tuning:
    stage = TrainConfig(steps=steps, peak_rate=1e-2, ema=0.9, precision="fp32")
    plain = Augment(
        unknown=1, silence=1, speed=(0.98, 1.02), warp=(0.99, 1.01), mixup=0, noise=0.0,
        reverb=0, tilt=1, masks=0, fragments=0, neighbours=0.2,
    )  # fmt: skip
    return Tuning(
        augment=plain, check=stage, heads=stage, all=stage, batch=12, smoothing=0.05, folds=2,
        longest=1.0, false_alarms_per_hour=60, scenes=1,
    )  # fmt: skip


def base() -> Base:
    middles = np.linspace(150, 7_500, 16)
    filters = np.maximum(0, 1 - np.abs(np.arange(257) * 31.25 - middles[:, None]) / 500)
    return Base({}, {"recipe": {"network": TINY}}, FrontEnd((filters / 500).astype(np.float32)))


def test_clips_of_a_few_people_become_a_network_that_hears_others(tmp_path: Path) -> None:
    torch.set_num_threads(2)
    clips, others = [*many("high", 8), *many("low", 8)], many("middle", 8)
    said: list[str] = []
    arguments = (base(), clips, others, Noise([]), how(25), tmp_path, said.append)
    found = check(*arguments)
    assert found.balanced > 0.5
    assert len(found.logits) == 24
    network = tune(*arguments)
    assert network.labels == ("high", "low", UNKNOWN, SILENCE)
    again = tune(*arguments)  # nothing is left to do: the same
    for name, value in network.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=0, atol=0)
    assert said[0] == "cross-validation 1 of 2"


def test_the_model_is_there_once_all_is_known_and_nothing_else_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tuning, "load", lambda recipe, steps: how(6))
    monkeypatch.setattr(Base, "load", lambda folder: base())
    monkeypatch.setattr(bank, "others", lambda labels: many("middle", 8))
    clips = [*many("high", 8), *many("low", 8)]
    mine = tmp_path / "training" / "mine.wav"
    mine.parent.mkdir()
    mine.write_bytes(b"mine")
    with monkeypatch.context() as patched:
        patched.setattr(choosing, "on_scenes", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            own.teach(clips, tmp_path)
    assert not list(tmp_path.glob("*.onnx"))
    made = own.teach(clips, tmp_path)
    assert made.words == ("high", "low")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "frames.onnx", "spotter.onnx", "training", "words.onnx", "words.safetensors",
    ]  # fmt: skip
    assert mine.read_bytes() == b"mine"


def test_short_recordings_of_the_room_are_used_too() -> None:
    rooms = [clip(SILENCE, 0, wave=np.arange(15_000, dtype=np.int16))]
    [room] = own._noise(rooms, None).recorded
    assert len(room) == 16_000
    np.testing.assert_array_equal(room[15_000:], room[:1_000])


def test_the_model_goes_beside_the_clips_wherever_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine" / "high").mkdir(parents=True)
    soundfile.write(tmp_path / "mine" / "high" / "a.wav", samples("high", 0), 16_000)
    asked: list[tuple[Path, str]] = []

    def teach(clips: list[Clip], folder: Path, **options: Any) -> None:
        asked.append((folder, options["recipe"]))
        raise SpeechnetError("enough")

    monkeypatch.setattr(own, "teach", teach)
    for folder, name in (
        (tmp_path, "mine"),
        (tmp_path / "mine", "."),
        (tmp_path / "mine/high", ".."),
    ):
        monkeypatch.chdir(folder)
        assert main(["train", name, "--recipe", "own"]) == 1
    assert asked == [(tmp_path / "mine-model", "own")] * 3


def test_a_recipe_is_found_by_its_name_or_its_file(tmp_path: Path) -> None:
    shipped = (Path(tuning.__file__).parents[1] / "recipes" / "own.toml").read_text("utf-8")
    (tmp_path / "mine.toml").write_text(shipped.replace("folds = 3", "folds = 4"), "utf-8")
    assert Tuning.load("own").folds == 3
    assert Tuning.load(str(tmp_path / "mine.toml")).folds == 4
    with pytest.raises(SpeechnetError, match="there is no recipe huge: name base, own or a"):
        Tuning.load("huge")
    with pytest.raises(SpeechnetError, match="recipe base does not say check"):
        Tuning.load("base")


def test_more_words_take_more_steps_up_to_a_limit() -> None:
    recipe = Tuning.load()
    usual = recipe.heads.steps
    steps = [recipe.steps(recipe.heads, words).steps for words in (1, 5, 13, 40, 400)]
    longest = round(usual * recipe.longest)
    assert steps == [usual, usual, 2 * usual, longest, longest]
    few = Tuning.load(steps=7)
    assert {stage.steps for stage in (few.check, few.all)} == {7}
    assert few.steps(few.heads, 40).steps == 7
