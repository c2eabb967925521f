"""Data sets of words: what is read, who speaks, what is wrong, and what is remembered."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from common.errors import CommonError
from speechnet.clips.naming import Table, from_path
from speechnet.clips.words import RATE, read_clips, split
from speechnet.errors import SpeechnetError
from speechnet.hearing import events


def wav(seed: int, seconds: float = 0.3, level: float = 0.1, rate: int = RATE) -> bytes:
    wave = level * np.random.default_rng(seed).standard_normal(int(seconds * rate))
    out = io.BytesIO()
    soundfile.write(out, wave.clip(-1, 1), rate, format="WAV")
    return out.getvalue()


FILES = {
    "yes/0a7c_nohash_0.wav": wav(0),
    "yes/0a7c_nohash_1.wav": wav(1),
    "no/ff12_nohash_0.wav": wav(2, rate=8_000),
    "no/monday.wav": wav(3),
    "anna/7_anna_3.wav": wav(4),
}


def folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def archive(path: Path, files: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as zipped:
            for name, data in files.items():
                zipped.writestr(name, data)
    else:
        with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as tarred:
            for name, data in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tarred.addfile(member, io.BytesIO(data))
    return path


@pytest.mark.parametrize("kind", ["folder", "set.zip", "set.tar", "set.tar.gz"])
def test_folders_and_archives_hold_the_same_clips(kind: str, tmp_path: Path) -> None:
    place = tmp_path / kind
    source = folder(place, FILES) if kind == "folder" else archive(place, FILES)
    found = read_clips(source, cache=tmp_path / "cache")
    assert [(clip.name, clip.word, clip.speaker) for clip in found.clips] == [
        ("anna/7_anna_3.wav", "seven", "anna"),
        ("no/ff12_nohash_0.wav", "no", "ff12"),
        ("no/monday.wav", "no", "no/monday.wav"),
        ("yes/0a7c_nohash_0.wav", "yes", "0a7c"),
        ("yes/0a7c_nohash_1.wav", "yes", "0a7c"),
    ]
    expected, _ = soundfile.read(io.BytesIO(FILES["yes/0a7c_nohash_0.wav"]), dtype="int16")
    assert (found.clips[3].samples == expected).all()
    assert len(found.clips[1].samples) == pytest.approx(0.3 * RATE, abs=2)


def test_a_table_beside_an_archive_says_what_names_do_not(tmp_path: Path) -> None:
    source = archive(tmp_path / "set.tar", {"a.wav": wav(0), "b.wav": wav(1)})
    (tmp_path / "set.csv").write_text(
        "file,word,speaker,source\na.wav,up,mia,phone\nb.wav,up,tom,web\n"
    )
    clips = read_clips(source, cache=tmp_path / "cache").clips
    assert [(clip.word, clip.speaker, clip.facts["source"]) for clip in clips] == [
        ("up", "mia", "phone"),
        ("up", "tom", "web"),
    ]


def test_a_table_inside_says_it_too_wherever_it_comes(tmp_path: Path) -> None:
    files = {"a.wav": wav(0), "zz.tsv": b"file\tword\na.wav\tdown\n"}
    [clip] = read_clips(archive(tmp_path / "set.tar", files), cache=tmp_path / "cache").clips
    assert (clip.word, clip.speaker) == ("down", "a.wav")


def test_what_is_wrong_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    files = {
        "yes/a.wav": wav(0),
        "yes/again.wav": wav(0),
        "yes/bad.wav": b"no sound",
        "yes/hushed.wav": wav(1, level=0.001),
        "yes/two.wav": wav(2),
        "no/two.wav": wav(2),
        "loose.wav": wav(3),
        "README.md": b"about",
        ".hidden/x.wav": wav(4),
        "__MACOSX/yes/._a.wav": b"junk",
    }
    found = read_clips(folder(tmp_path / "set", files), cache=tmp_path / "cache")
    assert [clip.name for clip in found.clips] == ["yes/a.wav", "yes/hushed.wav"]
    report = found.report
    assert [name for name, _ in report.damaged] == ["yes/bad.wav"]
    assert report.repeated == ("yes/again.wav",)
    assert set(report.contradictory) == {"yes/two.wav", "no/two.wav"}
    assert report.near_silent == ("yes/hushed.wav",)
    assert report.wordless == ("loose.wav",)
    assert report.other == ("README.md",)
    damaged, *others = report.faults()
    assert damaged.startswith("1 damaged (yes/bad.wav: the sound is no sound")
    assert others == [
        "2 contradictory (no/two.wav)", "1 repeated (yes/again.wav)", "1 wordless (loose.wav)"
    ]  # fmt: skip


def test_sound_is_decoded_once_and_again_when_the_source_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, cache = folder(tmp_path / "set", FILES), tmp_path / "cache"
    first = read_clips(source, cache=cache)
    progress: list[float] = []
    again = read_clips(source, cache=cache, progress=progress.append)
    assert progress == []
    assert all(
        (a.samples == b.samples).all() for a, b in zip(first.clips, again.clips, strict=True)
    )
    (source / "up").mkdir()
    (source / "up" / "x.wav").write_bytes(wav(9))
    changed = read_clips(source, cache=cache, progress=progress.append)
    assert progress[-1] == 1.0
    assert len(changed.clips) == len(first.clips) + 1


@pytest.mark.parametrize("file", ["samples.npy", "index.json"])
def test_a_damaged_cache_is_made_again(file: str, tmp_path: Path) -> None:
    source, cache = folder(tmp_path / "set", FILES), tmp_path / "cache"
    expected = [clip.name for clip in read_clips(source, cache=cache).clips]
    [damaged] = cache.glob(f"*/{file}")
    damaged.write_bytes(damaged.read_bytes()[:50])
    assert [clip.name for clip in read_clips(source, cache=cache).clips] == expected


def test_an_archive_that_breaks_off_gives_what_came_before(tmp_path: Path) -> None:
    path = archive(tmp_path / "set.tar", FILES)
    path.write_bytes(path.read_bytes()[:25_000])
    found = read_clips(path, cache=tmp_path / "cache")
    assert 1 <= len(found.clips) < len(FILES)
    assert "breaks off" in found.report.damaged[-1][1]


def test_names_that_climb_out_are_only_names(tmp_path: Path) -> None:
    files = {"../../yes/a_nohash_0.wav": wav(0), "/no/b_nohash_0.wav": wav(1)}
    clips = read_clips(archive(tmp_path / "set.tar", files), cache=tmp_path / "cache").clips
    assert [clip.word for clip in clips] == ["no", "yes"]
    assert not (tmp_path.parent / "yes").exists()


def test_a_table_without_an_end_is_one_sentence(tmp_path: Path) -> None:
    files = {"a.wav": wav(0), "t.csv": b'file,word\na.wav,"yes\n' + 140_000 * b"x"}
    with pytest.raises(SpeechnetError, match="the table below 'file,word' is damaged"):
        read_clips(folder(tmp_path / "set", files), cache=tmp_path / "cache")


def test_a_cache_that_cannot_be_written_says_how_to_name_another(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(SpeechnetError, match="or set XDG_CACHE_HOME to another folder"):
        read_clips(folder(tmp_path / "set", FILES), cache=tmp_path / "cache")


@pytest.mark.parametrize("kind", ["missing", "empty", "text"])
def test_what_is_no_data_set_is_one_sentence(kind: str, tmp_path: Path) -> None:
    source = tmp_path / kind
    if kind == "empty":
        source.mkdir()
    elif kind == "text":
        source.write_text("nothing")
    with pytest.raises(CommonError) as caught:
        read_clips(source, cache=tmp_path / "cache")
    assert str(source) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_speaker_is_on_both_sides_of_a_split(tmp_path: Path) -> None:
    files = {f"yes/{n % 40:02x}_nohash_{n}.wav": wav(n, 0.05) for n in range(120)}
    clips = read_clips(folder(tmp_path / "set", files), cache=tmp_path / "cache").clips
    learnt, kept = split(clips, 0.3)
    assert len(learnt) + len(kept) == len(clips)
    assert not {clip.speaker for clip in learnt} & {clip.speaker for clip in kept}
    assert 0.1 < len(kept) / len(clips) < 0.5
    again, _ = split(clips[::-1], 0.3)
    assert {clip.name for clip in again} == {clip.name for clip in learnt}
    assert {clip.name for clip in split(clips, 0.3, salt="other")[1]} != {c.name for c in kept}


def test_a_word_is_the_same_however_its_letters_are_put_together(tmp_path: Path) -> None:
    table = Table()
    table.add("file,word\na.wav,fu\u0308r\n")
    assert table.label("a.wav").word == from_path("F\xdcR/b.wav").word == "f\xfcr"
    (tmp_path / "labels.txt").write_text("0.1\t0.5\tFu\u0308r\n", "utf-8")
    assert [label.word for label in events.read(tmp_path / "labels.txt")] == ["f\xfcr"]


def test_the_words_of_the_two_public_sets_are_known_by_their_names() -> None:
    assert from_path("recordings/3_theo_22.wav").word == "three"
    assert from_path("_background_noise_/pink_noise.wav").word == ""
    assert from_path("yes/1_anna_3.wav").word == "yes"
