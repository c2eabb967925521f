"""Words in recordings: each once, at its moment, the same however the sound comes."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechnet.clips.words import Clip
from speechnet.errors import SpeechnetError
from speechnet.hearing.classifier import Classifier
from speechnet.hearing.detector import Detector, onset
from speechnet.hearing.events import Event
from speechnet.sound import audio, recordings
from speechnet.training.noise import Noise
from speechnet.training.scenes import Setting, Stage, scenes

CLIPS = Path(__file__).parents[2] / "data" / "clips"
SAID = {"yes.wav": "yes", "no.flac": "no", "stop.wav": "stop", "left.ogg": "left", "up.flac": "up"}
Floats = np.ndarray


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.load()


def spoken(pause: float = 1.0) -> tuple[Floats, list[str], list[float]]:
    """The sample words one after the other in faint hiss: samples, words, their loudest moments."""
    rng = np.random.default_rng(0)
    parts, words, moments = [], [], []
    at = 0.0
    for name, word in SAID.items():
        wave = audio.read(CLIPS / name).samples
        for part in (np.zeros(int(pause * 16_000), np.float32), wave):
            parts.append(part)
        at += pause
        loudest = np.square(wave).cumsum().searchsorted(np.square(wave).sum() / 2)
        moments.append(at + loudest / 16_000)
        words.append(word)
        at += len(wave) / 16_000
    samples = np.concatenate([*parts, np.zeros(16_000, np.float32)])
    hiss = 3e-4 * rng.standard_normal(len(samples))
    return (samples + hiss).astype(np.float32), words, moments


def test_every_word_is_one_event_at_its_moment(detector: Detector) -> None:
    samples, words, moments = spoken()
    found = list(detector.detect(samples))
    assert [event.word for event in found] == words
    for event, moment in zip(found, moments, strict=True):
        assert event.start - 0.3 < moment < event.end + 0.3
        assert 0 <= event.start < event.end
        assert 0.5 < event.probability < 1


def test_a_word_said_twice_is_two_events(detector: Detector) -> None:
    wave = audio.read(CLIPS / "yes.wav").samples
    found = list(detector.detect(np.concatenate([wave, wave, wave])))
    assert [event.word for event in found] == ["yes"] * 3
    assert np.diff([event.end for event in found]) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("size", [160, 777, 16_000])
def test_the_events_do_not_depend_on_the_chunks(detector: Detector, size: int) -> None:
    samples, _, _ = spoken(0.31)
    whole = detector.stream(threshold=0.2)
    expected = whole.push(samples) + whole.finish()
    assert len(expected) >= 5
    stream, found = detector.stream(threshold=0.2), []
    for start in range(0, len(samples), size):
        found += stream.push(samples[start : start + size])
    assert found + stream.finish() == expected
    assert stream.seconds == len(samples) / 16_000


def test_events_come_at_most_three_tenths_of_a_second_after_their_word(detector: Detector) -> None:
    samples, _, _ = spoken()
    stream, late = detector.stream(), []
    for start in range(0, len(samples), 160):
        late += [stream.seconds - event.end for event in stream.push(samples[start : start + 160])]
    assert len(late) == 5
    assert max(late) <= 0.3


def test_a_word_at_the_very_end_is_heard(detector: Detector) -> None:
    wave = audio.read(CLIPS / "stop.wav").samples
    loud = np.flatnonzero(np.abs(wave) > 0.05 * np.abs(wave).max())
    cut = wave[: loud[-1] + 400]
    [event] = detector.detect(cut)
    assert event.word == "stop"
    assert event.end <= round(len(cut) / 16_000, 3)


@pytest.mark.parametrize("seed", range(3))
def test_silence_and_noise_hold_no_words(detector: Detector, seed: int) -> None:
    rng = np.random.default_rng(seed)
    hiss = (10.0 ** -(1 + seed) * rng.standard_normal(160_000)).astype(np.float32)
    assert list(detector.detect(hiss)) == []
    assert list(detector.detect(np.zeros(160_000, np.float32))) == []


def test_running_water_holds_no_words(detector: Detector) -> None:
    assert list(detector.detect(CLIPS / "water.ogg")) == []


def test_another_word_is_no_event(detector: Detector) -> None:
    assert list(detector.detect(CLIPS / "marvin.wav")) == []


def test_a_higher_threshold_never_finds_more(detector: Detector) -> None:
    samples, _, _ = spoken(0.4)
    ticks, seconds = detector.ticks([samples])
    assert seconds == len(samples) / 16_000
    many = [len(detector.decide(ticks, at, 2)) for at in (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)]
    assert many == sorted(many, reverse=True)
    assert many[-1] == 0


def test_what_is_decided_later_is_what_would_have_been_detected(detector: Detector) -> None:
    samples, _, _ = spoken(0.4)
    ticks, _ = detector.ticks([samples[:9_999], samples[9_999:]])
    for threshold, patience in ((0.15, 1), (0.4, 2), (0.6, 3)):
        direct = list(detector.detect(samples, threshold=threshold, patience=patience))
        assert detector.decide(ticks, threshold, patience) == direct


@pytest.mark.parametrize(("threshold", "patience"), [(0.0, 2), (1.1, 2), (0.5, 0), (0.5, 10**11)])
def test_what_cannot_be_asked_for_is_refused(
    detector: Detector, threshold: float, patience: int
) -> None:
    with pytest.raises(SpeechnetError, match="a threshold is above 0 and at most 1"):
        detector.stream(threshold=threshold, patience=patience)


def test_a_sound_that_was_read_is_detected_and_its_notes_are_told(detector: Detector) -> None:
    path, notes = CLIPS / "right-in-four-seconds.ogg", []
    sound = audio.read(path)
    found = list(detector.detect(sound))
    assert [event.word for event in found] == [event.word for event in detector.detect(path)]
    list(detector.detect(sound.samples[::2], 8_000, notes=notes))
    assert notes == ["sampled at 8000 Hz: nothing above 4000 Hz is in it"]


def test_a_stream_takes_floats_until_it_is_finished(detector: Detector) -> None:
    stream = detector.stream()
    with pytest.raises(SpeechnetError, match="takes floats"):
        stream.push(np.zeros(10, np.int16))  # type: ignore[arg-type]
    with pytest.raises(SpeechnetError, match="takes floats"):
        stream.push(np.zeros((10, 2), np.float32))
    stream.finish()
    with pytest.raises(SpeechnetError, match="is finished"):
        stream.push(np.zeros(10, np.float32))


def test_memory_does_not_grow_with_the_recording(detector: Detector, tmp_path: Path) -> None:
    hiss = (300 * np.random.default_rng(0).standard_normal(16_000 * 60)).astype(np.int16)
    peaks = []
    for minutes in (2, 6):
        path = tmp_path / f"{minutes}.wav"
        soundfile.write(path, np.tile(hiss, minutes), 16_000)
        tracemalloc.start()
        list(detector.detect(path))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]
    assert peaks[1] < 40 * 2**20


def test_files_of_two_networks_are_refused(detector: Detector) -> None:
    other = type(detector.spotter)(detector.spotter.run, {**detector.spotter.facts, "run": "x"})
    with pytest.raises(SpeechnetError, match="two networks"):
        Detector(Classifier.load(), other)


def test_a_word_starts_where_the_sound_rises() -> None:
    mel = np.full((80, 8), -10.0, np.float32)
    mel[50:62] = 0  # a word with a stop in it
    mel[66:74] = -1
    assert onset(mel[:74]) == pytest.approx(50, abs=1)
    mel[20:30] = 0  # another one before
    assert onset(mel[:74]) == pytest.approx(50, abs=1)


# Recordings


@pytest.mark.parametrize(
    "name", ["yes.wav", "no.flac", "go.mp3", "up.flac", "left.ogg", "three.flac"]
)
def test_chunks_are_the_samples_of_the_whole_file(name: str) -> None:
    whole = audio.read(CLIPS / name)
    notes: list[str] = []
    found = np.concatenate(list(recordings.chunks(CLIPS / name, notes)))
    assert len(found) == pytest.approx(len(whole.samples), abs=2)
    size = min(len(found), len(whole.samples))
    np.testing.assert_allclose(found[:size], whole.samples[:size], atol=2e-4)
    assert tuple(notes) == whole.notes


def test_channels_that_cancel_each_other_are_told_before_the_first_chunk(tmp_path: Path) -> None:
    wave = np.sin(np.arange(200_000) / 20)
    soundfile.write(tmp_path / "a.wav", np.stack([wave, -wave], axis=1) * 0.5, 16_000)
    notes: list[str] = []
    first = next(recordings.chunks(tmp_path / "a.wav", notes))
    assert "cancel each other" in notes[0]
    np.testing.assert_allclose(np.abs(first), np.abs(0.5 * wave[: len(first)]), atol=1e-4)


def test_the_scale_is_that_of_the_channel_that_is_heard(tmp_path: Path) -> None:
    wave = np.sin(np.arange(100_000) / 20)
    both = np.stack([wave, -wave], axis=1) * 30_000
    soundfile.write(tmp_path / "a.wav", both, 16_000, subtype="FLOAT")
    whole, notes = audio.read(tmp_path / "a.wav"), list[str]()
    found = np.concatenate(list(recordings.chunks(tmp_path / "a.wav", notes)))
    np.testing.assert_allclose(found, whole.samples, atol=1e-6)
    assert tuple(notes) == whole.notes


def test_floats_on_the_scale_of_integers_are_scaled(tmp_path: Path) -> None:
    wave = np.sin(np.arange(100_000) / 20)
    soundfile.write(tmp_path / "a.wav", wave * 30_000, 16_000, subtype="FLOAT")
    notes: list[str] = []
    found = np.concatenate(list(recordings.chunks(tmp_path / "a.wav", notes)))
    np.testing.assert_allclose(found, wave, atol=1e-3)
    assert "were scaled to 1" in notes[0]


@pytest.mark.parametrize("cut", [0.5, 0.9])
def test_of_a_damaged_file_all_that_can_be_decoded_is_heard(cut: float, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "a.flac", 0.1 * rng.standard_normal(200_000), 16_000)
    data = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(data[: int(len(data) * cut)])
    whole = audio.read(tmp_path / "a.flac").samples
    notes: list[str] = []
    found = np.concatenate(list(recordings.chunks(tmp_path / "a.flac", notes)))
    assert len(found) == pytest.approx(len(whole), abs=600)
    assert notes == [f"the file is damaged: only {len(found) / 16_000:.2f} s can be read"]
    np.testing.assert_array_equal(found[: len(whole)], whole[: len(found)])


def test_what_is_no_sound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF1234WAVEnothing that is a sound in here, is there?")
    with pytest.raises(SpeechnetError, match="is no sound that can be read"):
        list(recordings.chunks(tmp_path / "a.wav"))
    soundfile.write(tmp_path / "b.wav", np.zeros(0), 16_000)
    with pytest.raises(SpeechnetError, match="holds no sound"):
        list(recordings.chunks(tmp_path / "b.wav"))
    soundfile.write(tmp_path / "c.wav", np.array([0.0, np.nan] * 100), 16_000, subtype="FLOAT")
    with pytest.raises(SpeechnetError, match="no numbers"):
        list(recordings.chunks(tmp_path / "c.wav"))


# Scenes


def clip(word: str, number: int) -> Clip:
    pitch = {"high": 900, "low": 200, "other": 2000}[word]
    wave = np.zeros(16_000)
    wave[4_000:12_000] = 0.3 * np.sin(2 * np.pi * pitch * np.arange(8_000) / 16_000)
    samples = (32767 * wave).astype(np.int16)
    return Clip(f"{word}/{number}", word, str(number), samples, -20.0)


def stage() -> Stage:
    clips = [clip(word, number) for word in ("high", "low", "other") for number in range(2)]
    return Stage(clips, ("high", "low"), Noise([]))


def test_a_scene_says_what_is_in_it_and_when() -> None:
    scene = stage().scene(Setting(seconds=30), np.random.default_rng(1))
    assert len(scene.labels) > 8
    for label in scene.labels:
        start, end = int(label.start * 16_000), int(label.end * 16_000)
        part = scene.samples[start:end]
        crossings = (np.diff(np.signbit(part[800:-800])) != 0).sum() / (len(part) - 1600)
        pitch = {"high": 900, "low": 200, "other": 2000}[label.word]
        assert crossings * 8_000 == pytest.approx(pitch, rel=0.05)
    quiet = np.ones(len(scene.samples), bool)
    for label in scene.labels:
        quiet[int(label.start * 16_000) : int(label.end * 16_000) + 1] = False
    assert np.abs(scene.samples[quiet]).max() < 0.01 * np.abs(scene.samples).max()


def test_the_same_seed_makes_the_same_scenes_and_the_last_of_each_kind_is_noise() -> None:
    one, other = list(scenes(stage(), 4, 7)), list(scenes(stage(), 4, 7))
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first.samples, second.samples)
    assert [bool(scene.labels) for scene in one] == [True] * 5 + [False]
    assert one[5].samples.any()


def test_words_lie_over_noise_by_the_ratio_asked_for() -> None:
    rng = np.random.default_rng(3)
    scene = stage().scene(Setting(seconds=40, snr=5, level=-20), rng)
    said = np.zeros(len(scene.samples), bool)
    for label in scene.labels:
        said[int(label.start * 16_000) + 1_000 : int(label.end * 16_000) - 1_000] = True
    before, after = (np.square(scene.samples[part]).mean() for part in (said, ~said))
    assert 10 * np.log10(before / after) == pytest.approx(10 * np.log10(1 + 10**0.5), abs=1.5)


def test_detecting_counts_events_of_an_event_type() -> None:
    assert Event(1, 2, "yes").middle == 1.5
