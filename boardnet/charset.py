"""Charset: which encoding the bytes of a game record are in.

Moves are plain ASCII, names and comments are whatever the program of the day wrote. A file is
decoded before its brackets are looked for, because the second byte of a Shift-JIS, GBK or Big5
character may itself look like a bracket or a backslash.
"""

import codecs
import re

_DECLARED = re.compile(rb"CA\s*\[\s*([^\]\s]{1,40})\s*\]")
# Python calls some things a codec that are no character set; they would change this.
_PROBE = rb"(;B[pd]C[\u0041+AGE-~])"
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949"}
_SEVEN_BIT = ("iso2022", "hz")  # these hide in bytes that are valid UTF-8

KEEP = "boardnet.keep"
"""The error handler for decoding records: like surrogateescape, but it never fails itself."""


def _keep(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    wrong = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + byte) if byte > 127 else "\ufffd" for byte in wrong), error.end


codecs.register_error(KEEP, _keep)


def charset(data: bytes) -> str:
    """The name of a Python codec that reads `data`, the beginning of a file or all of it.

    Marks of order come first, then UTF-8 if it fits (text in another encoding hardly ever does,
    whatever CA says), then the record's own CA, then Latin-1, which reads anything.

    >>> charset(b"(;GM[1]CA[gb2312]PB[" + "古力".encode("gb2312") + b"])")
    'gb18030'
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if data.startswith(b"(\0"):
        return "utf-16-le"
    if data.startswith(b"\0("):
        return "utf-16-be"
    candidates = ["utf-8-sig"]
    found = _DECLARED.search(data)
    declared = _codec(found[1].decode("latin-1")) if found else None
    if declared is not None:
        candidates.insert(0 if declared.startswith(_SEVEN_BIT) else 1, declared)
    return next((name for name in candidates if _reads(name, data)), "latin-1")


def _codec(name: str) -> str | None:
    """Python's name for the encoding that a record calls `name`; None for what is not one."""
    try:
        found = codecs.lookup(name).name
        if _PROBE.decode(found) != _PROBE.decode("ascii"):
            return None
    except (LookupError, ValueError):
        return None
    return _WIDER.get(found, found)


def _reads(name: str, data: bytes) -> bool:
    try:
        # Not final: the beginning of a file may stop in the middle of a character.
        codecs.getincrementaldecoder(name)("strict").decode(data)
    except ValueError:
        return False
    return True
