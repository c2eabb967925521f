"""Foreign: files that are no sound which libsndfile reads, known by their first bytes."""

from __future__ import annotations

from pathlib import Path

_MEDIA = {
    (4, b"ftyp"): "MPEG-4 sound or video (M4A, AAC, MP4)",
    (0, b"\xff\xf1"): "raw AAC sound",
    (0, b"\xff\xf9"): "raw AAC sound",
    (0, b"ADIF"): "raw AAC sound",
    (0, b"\x1aE\xdf\xa3"): "a WebM or Matroska file",
    (0, b"0&\xb2u\x8ef\xcf\x11"): "Windows Media sound (WMA)",
    (0, b"#!AMR"): "AMR sound",
    (0, b"MAC "): "Monkey's Audio",
    (0, b"wvpk"): "WavPack sound",
    (0, b"FLV"): "Flash video",
    (8, b"AVI "): "an AVI video",
    (28, b"Speex "): "Speex sound",
}
"""Where, and which bytes: what libsndfile does not read, but other programs turn into WAV."""

_OTHER = {
    (0, b"MThd"): "a MIDI file, notes",
    (0, b"%PDF"): "a PDF document",
    (0, b"\x89PNG"): "a picture",
    (0, b"\xff\xd8\xff"): "a picture",
    (0, b"GIF8"): "a picture",
    (8, b"WEBP"): "a picture",
    (0, b"PK\x03\x04"): "a zip archive",
    (0, b"\x1f\x8b"): "a gzip archive",
    (0, b"\xff\xfe"): "text",  # which libsndfile would take for MP3
    (0, b"version https://git-lfs"): "a pointer to a file in Git LFS (git lfs pull fetches that)",
}


def refusal(name: str, head: bytes) -> str:
    """A sentence that says what a file is instead, and what to do; empty if it may be a sound.

    head: at least its first 40 bytes.

    >>> refusal("song.m4a", b"\\0\\0\\0 ftypM4A ")[:48]
    'song.m4a is MPEG-4 sound or video (M4A, AAC, MP4'
    >>> refusal("song.wav", b"RIFF\\0\\0\\0\\0WAVE")
    ''
    """
    if what := _known(head, _MEDIA):
        return (
            f"{name} is {what}, which cannot be read: convert it first, for example with"
            f" ffmpeg -i {Path(name).name} clip.wav"
        )
    what = _known(head, _OTHER)
    return f"{name} is {what}, not a sound" if what else ""


def certainly(head: bytes) -> str:
    """What bytes are that cannot be bare samples by chance; empty if they may be.

    Marks of two or three bytes are samples as well as any others.

    >>> certainly(b"\\0\\0\\0 ftypM4A "), certainly(b"\\xff\\xf1\\0\\0")
    ('MPEG-4 sound or video (M4A, AAC, MP4)', '')
    """
    long = {mark: what for mark, what in (_MEDIA | _OTHER).items() if len(mark[1]) > 3}
    return _known(head, long)


def _known(head: bytes, kinds: dict[tuple[int, bytes], str]) -> str:
    found = (what for (place, start), what in kinds.items() if head.startswith(start, place))
    return next(found, "")
