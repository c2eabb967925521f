"""Decoding: the bytes of a file of records as text, piece by piece.

Nearly every file is in one encoding, which `charset` tells from where it first goes beyond ASCII.
But CA belongs to each game (FF 4), and who puts files together does not convert them: where games
claim different encodings, each run of games that claim the same is judged by itself.
"""

import codecs
import re
from collections.abc import Iterator

from boardnet.charset import DECLARED, KEEP, UTF_8, charset, codec_of, reads

CHUNK = 1 << 20  # bytes that are looked at together; also what an encoding is judged by
_HEADER = 1 << 10  # bytes from the start of a game to its CA, at most

_START_OR_CLAIM = re.compile(rb"(\(\s*+;)|" + DECLARED.pattern)


class Decoder:
    """Like an incremental decoder of `codecs`. Bytes that do not fit become surrogates (PEP 383).

    codecs: what the text beyond ASCII was read by so far, in order.
    """

    def __init__(self) -> None:
        self.codecs: list[str] = []
        self._decoder: codecs.IncrementalDecoder | None = None  # of the games that are being read
        self._claim = b""  # their CA
        self._several = False  # whether games before had another
        self._open = True  # whether what was UTF-8 so far may be something else after all
        self._kept = b""

    def decode(self, data: bytes, final: bool = False) -> str:
        """The text of the next bytes of a file. A piece of less than CHUNK is taken for its last.

        >>> one, other = "(;CA[UTF-8]PB[古力])".encode(), "(;CA[GBK]PB[古力])".encode("gbk")
        >>> Decoder().decode(one + other, final=True)
        '(;CA[UTF-8]PB[古力])(;CA[GBK]PB[古力])'
        """
        text: list[str] = []
        for at in range(0, max(len(data), 1), CHUNK):
            piece = self._kept + data[at : at + CHUNK]
            last = final and at + CHUNK >= len(data)
            end = len(piece) if last or len(piece) < CHUNK else _whole(piece)
            self._kept = piece[end:]
            text += self._games(piece[:end], last)
        return "".join(text)

    def _games(self, data: bytes, final: bool) -> Iterator[str]:
        """The text of `data`, one piece for each run of games in one encoding."""
        done, start = 0, -1
        # A comment may hold what looks like a claim, of no encoding that there is.
        claims = [claim for claim in DECLARED.findall(data) if codec_of(claim)]
        named = {codec_of(claim) for claim in {*claims, self._claim or claims[0]}} if claims else ()
        self._several |= len(named) > 1
        # Text in another encoding is hardly ever valid UTF-8, whatever CA says.
        if len(named) < 2 or (self._open and b"\x1b" not in data and reads(UTF_8, data)):
            self._claim = claims[-1] if claims else self._claim
        else:
            for found in _START_OR_CLAIM.finditer(data):
                if found[1]:
                    start = found.start()
                elif not codec_of(found[2]):
                    continue
                elif not self._claim:
                    self._claim = found[2]
                elif start >= done and codec_of(found[2]) != codec_of(self._claim):
                    yield self._text(data[done:start], True)
                    self._decoder, self._open, self._claim = None, True, found[2]
                    done, start = start, -1
        yield self._text(data[done:], final)

    def _text(self, data: bytes, final: bool) -> str:
        """The text of bytes that are in one encoding."""
        plain = data.isascii() and b"\x1b" not in data  # so no other encoding hides in it
        if data and self._open and not (self._decoder and plain):
            begun = self._decoder.getstate()[0] if self._decoder else b""  # of a character
            data = begun + data
            name = charset(data, codec_of(self._claim))
            self._open = name == UTF_8 and (self._several or data.isascii())
            self._decoder = codecs.getincrementaldecoder(name)(KEEP)
            self.codecs += [] if self._open and data.isascii() else [name]
        return self._decoder.decode(data, final) if self._decoder else ""


def _whole(data: bytes) -> int:
    """How much of `data` parts no game's start from its CA, nor from the names to judge it by."""
    start = data.rfind(b"(", max(0, len(data) - _HEADER))
    begun = start >= 0 and not (data[start:].isascii() and DECLARED.search(data, start))
    return start if begun else len(data)
