"""Clips by speech engines: many voices, the same for a seed, and never for a test."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import speechnet
from speechnet.cli import main
from speechnet.clips import synthesis
from speechnet.clips.synthesis import ENGINES, MARK, Voice, is_synthetic, listed, voices
from speechnet.clips.words import read_clips
from speechnet.errors import SpeechnetError
from speechnet.sound import audio, writing

ESPEAK = """#!{python}
import sys, io
if "--voices=de" in sys.argv:
    print("Pty Language Age/Gender VoiceName File Other Languages")
    print(" 5 de --/M German gmw/de\\n 6 de --/F m mb/mb-de1")
    print(" 5 variant --/M Storm !v/Storm (de 5)")
elif "--voices=fr" in sys.argv:
    print("Pty Language Age/Gender VoiceName File Other Languages\\n 5 fr-fr --/M F roa/fr (fr 5)")
    print(" 5 fr-be --/M B roa/fr-BE (fr 8)\\n 5 ht --/M H roa/ht (fr 9)")
elif "--voices=zh" in sys.argv:
    print("Pty Language Age/Gender VoiceName File Other Languages\\n 5 cmn --/M C sit/cmn (zh 5)")
    print(" 5 yue --/M C sit/yue (zh 8)")
elif "--voices=xx" in sys.argv:
    print("Pty Language Age/Gender VoiceName File Other Languages")
elif sys.argv[-1] == "unspeakable":
    sys.exit("cannot\\nsay that")
else:
    import numpy as np, soundfile
    out = io.BytesIO()
    pitch = 100 + 10 * int(sys.argv[sys.argv.index("-p") + 1])
    wave = np.zeros(14_000)
    wave[3000:11_000] = 0.5 * np.sin(np.arange(8000) * pitch / 3000) * (sys.argv[-1] != "mute")
    soundfile.write(out, wave, 22_050, format="WAV")
    sys.stdout.buffer.write(out.getvalue())
"""

FESTIVAL = """#!{python}
import sys
print("(b_voice a_voice)")
"""

TEXT2WAVE = """#!{python}
import sys, io
import numpy as np, soundfile
assert sys.stdin.read() == "light" and sys.argv[2] in ("(voice_a_voice)", "(voice_b_voice)")
out = io.BytesIO()
soundfile.write(out, 0.5 * np.sin(np.arange(8000)), 16_000, format="WAV")
sys.stdout.buffer.write(out.getvalue())
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where commands are found: no engine is there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install(folder: Path, name: str, script: str) -> None:
    command = folder / name
    command.write_text(script.format(python=sys.executable))
    command.chmod(0o755)


@pytest.fixture
def engine(path: Path) -> Path:
    """A fake espeak-ng, and no other engine."""
    install(path, "espeak-ng", ESPEAK)
    return path


def say(folder: Path, *arguments: str) -> int:
    return main(["say", "-o", str(folder), "--clips", "3", *arguments])


def files(folder: Path) -> dict[str, bytes]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_words_become_clips_of_different_voices_cut_to_the_sound(
    engine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(tmp_path / "a", "light", "Dark", "dark", "7") == 0
    told = capsys.readouterr()
    assert "9 clips made" in told.out
    assert told.err == ""
    clips = read_clips(tmp_path / "a", cache=tmp_path / "cache").clips
    assert len(clips) == 9
    assert {clip.word for clip in clips} == {"light", "dark", "seven"}
    assert len({clip.speaker for clip in clips}) > 5
    for clip in clips:
        assert is_synthetic(clip)
        assert is_synthetic(clip.speaker)
        assert len(clip.samples) == pytest.approx(8_000 / 22_050 * 16_000, rel=0.02)
    told_there = (tmp_path / "a" / MARK).read_text()
    assert "(espeak-ng)" in told_there
    assert "never for a test" in told_there


def test_people_are_no_engines() -> None:
    assert not any(map(is_synthetic, ("me", "espeak", "a-flite-1", "fliter", "")))


def test_the_same_seed_says_the_same_and_what_is_there_stays(engine: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        assert say(tmp_path / folder, "light", "--seed", "5") == 0
    first = files(tmp_path / "a")
    assert first == files(tmp_path / "b")
    assert synthesis.synthesize(["light"], tmp_path / "a", clips=3, seed=5) == 0
    assert synthesis.synthesize(["light"], tmp_path / "a", clips=3, seed=6) > 0
    assert first.items() <= files(tmp_path / "a").items()


def test_a_seed_draws_the_voices_that_it_always_drew(path: Path, tmp_path: Path) -> None:
    # What the synthetic clips of the shipped network were made of; festival came later.
    for name in ("espeak-ng", "flite", "festival", "text2wave"):
        install(path, name, FESTIVAL)
    known = voices(engines=("flite", "espeak-ng"))
    assert len(known) == 7 * 22 + 5 * 8
    drawn = [
        known[int(np.random.default_rng([0, number, *b"two"]).integers(len(known)))].name
        for number in range(4)
    ]
    assert drawn == ["en-gb-x-gbclan+f1", "kal16", "en-gb-x-rp+f5", "en-us+m1"]


def test_progress_goes_to_the_whole(engine: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    synthesis.synthesize(["light", "dark"], tmp_path / "a", clips=1, progress=shares.append)
    assert shares == [0.5, 1.0]


@pytest.mark.parametrize(
    ("language", "names"),
    [("de", {"de"}), ("fr", {"fr-fr", "fr-be"}), ("zh", {"cmn"})],
)
def test_another_language_has_its_own_voices(engine: Path, language: str, names: set[str]) -> None:
    assert {voice.name.partition("+")[0] for voice in voices(language)} == names


def test_a_language_that_nobody_speaks_is_named(engine: Path) -> None:
    with pytest.raises(SpeechnetError, match="no voice of espeak-ng speaks 'xx'"):
        voices("xx")
    install(engine, "flite", "")
    with pytest.raises(SpeechnetError, match="no voice of flite speaks 'de': install espeak-ng"):
        voices("de", ["flite"])


def test_festival_is_given_the_word_and_says_it_with_its_voices(path: Path, tmp_path: Path) -> None:
    install(path, "festival", FESTIVAL)
    install(path, "text2wave", TEXT2WAVE)
    assert {voice.name for voice in voices()} == {"a_voice", "b_voice"}
    assert say(tmp_path / "a", "light", "--engine", "festival") == 0
    speakers = {name.partition("_")[0] for name in files(tmp_path / "a") if name != MARK}
    assert speakers <= {"light/festival-a-voice", "light/festival-b-voice"}


def test_a_folder_names_the_engines_of_all_calls(engine: Path, tmp_path: Path) -> None:
    install(engine, "festival", FESTIVAL)
    install(engine, "text2wave", TEXT2WAVE)
    for name in ("festival", "espeak-ng", "espeak-ng"):
        assert say(tmp_path / "a", "light", "--engine", name) == 0
    assert "(espeak-ng, festival)" in (tmp_path / "a" / MARK).read_text()


def test_english_engines_are_not_asked_for_other_letters(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(path, "flite", "")
    assert say(tmp_path / "a", "größe") == 1
    assert "only espeak-ng can say 'größe'" in capsys.readouterr().err
    install(path, "espeak-ng", ESPEAK)
    assert say(tmp_path / "a", "größe", "naïve") == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [([], "install espeak-ng or flite or festival"), (["--engine", "flite"], "install flite (")],
)
def test_without_an_engine_it_is_said_what_to_install(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert say(tmp_path / "a", "light", *arguments) == 1
    assert told in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("word", ["unspeakable", "mute", "../up", " ", "-x"])
def test_a_word_that_cannot_be_said_is_named(
    word: str, engine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["say", "-o", str(tmp_path / "a"), "--clips", "1", "--", word]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert repr(word) in line
    assert not list(tmp_path.rglob("*.flac"))


def test_silence_cannot_be_said(engine: Path, tmp_path: Path) -> None:
    with pytest.raises(SpeechnetError, match="hold no speech"):
        synthesis.synthesize(["Silence"], tmp_path / "a", clips=1)


def test_a_disk_that_takes_nothing_is_one_sentence(
    engine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").touch()
    assert say(tmp_path / "a", "light") == 1
    assert f"cannot write into {tmp_path / 'a'}" in capsys.readouterr().err


def test_an_interruption_leaves_whole_clips_and_makes_no_more(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesis.synthesize(["light"], tmp_path / "a", clips=200, progress=stop)
    found = [path for path in (tmp_path / "a").rglob("*") if path.suffix not in ("", ".txt")]
    assert 0 < len(found) < 100
    assert {path.suffix for path in found} == {".flac"}
    assert all(len(audio.read(path).samples) > 5_000 for path in found)


def test_the_list_of_other_words_has_none_twice() -> None:
    words = listed("unknown")
    assert len(words) == len(set(words)) > 500
    assert all(writing.name(word, "word") == word for word in words)
    with pytest.raises(SpeechnetError, match="no list of words"):
        listed("nothing")


@pytest.mark.parametrize("engine", ENGINES)
def test_each_engine_that_is_installed_says_words_that_are_understood(
    engine: str, tmp_path: Path
) -> None:
    if not shutil.which(ENGINES[engine]):
        pytest.skip(f"{engine} is not installed")
    said = ["seven", "stop", "yes"]
    assert synthesis.synthesize(said, tmp_path, clips=2, engines=[engine]) == 6
    classifier = speechnet.load()
    clips = sorted(tmp_path.rglob("*.flac"))
    right = sum(classifier.classify(path).word == path.parent.name for path in clips)
    assert right >= 4


def pitch(samples: np.ndarray) -> float:
    """Hz, by the autocorrelation of all of it."""
    spectrum = np.fft.rfft(samples, 2 * len(samples))
    alike = np.fft.irfft(np.square(np.abs(spectrum)))[53:267]  # 60 to 300 Hz
    return 16_000 / (53 + int(alike.argmax()))


@pytest.mark.parametrize("engine", ENGINES)
def test_each_engine_that_is_installed_varies_pace_and_pitch(engine: str) -> None:
    if not shutil.which(ENGINES[engine]):
        pytest.skip(f"{engine} is not installed")
    name = {"espeak-ng": "en-us+m1", "flite": "rms", "festival": "kal_diphone"}[engine]
    takes = [
        audio.read(synthesis.say("seven", Voice(engine, name), np.random.default_rng(seed)))
        for seed in range(6)
    ]
    for values in ([len(take.samples) for take in takes], [pitch(take.samples) for take in takes]):
        assert max(values) > 1.2 * min(values)


def test_the_command_offers_the_engines_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["say", "--help"])
    assert f"{{{','.join(ENGINES)}}}" in capsys.readouterr().out


def test_clips_of_machines_are_not_for_choosing_or_testing(
    engine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(tmp_path / "a", "yes") == 0
    noise = ["--noise", str(tmp_path)]
    assert main(["train", str(tmp_path / "a"), "--validation", str(tmp_path / "a"), *noise]) == 1
    assert "was made by a speech engine" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path / "a")]) == 1
    assert "was made by a speech engine" in capsys.readouterr().err
