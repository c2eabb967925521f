"""Model files: what stands around a network's numbers, in ONNX and in safetensors.

Both formats have room for text beside the numbers. There go the facts about the model, as JSON, and
a SHA-256 of the rest of the file, so that a damaged file is noticed before it answers. Reading
needs neither torch nor onnx nor onnxruntime; the files are plain ONNX and plain safetensors for
every other program.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from common.errors import CommonError
from common.writing import put

Facts = dict[str, Any]

MAX_BYTES = 16 << 20
"""Of one file: small enough to travel in the package and in a repository."""

_FACTS, _DIGEST = "facts", "sha256"

# ONNX is protobuf: fields as (number << 3 | kind), then for kind 2 a length and so many bytes.
# https://github.com/onnx/onnx/blob/main/onnx/onnx.proto: ModelProto.metadata_props is field 14, its
# entries have key as field 1 and value as field 2. Fields may come in any order, the last the end.
_METADATA, _KEY, _VALUE = 14 << 3 | 2, 1 << 3 | 2, 2 << 3 | 2


def seal_onnx(model: bytes, facts: Mapping[str, Any]) -> bytes:
    """A model in ONNX, without metadata of its own -> the file: model, facts, digest."""
    content = model + _entry(_FACTS, dump_facts(facts))
    return content + _entry(_DIGEST, hashlib.sha256(content).hexdigest())


def seal_weights(weights: bytes, facts: Mapping[str, Any]) -> bytes:
    """A safetensors file -> the same with facts and digest in its header."""
    header, numbers = _split(weights)
    header["__metadata__"] = {_FACTS: dump_facts(facts)}
    header["__metadata__"][_DIGEST] = _digest(header, numbers)
    text = _json(header)
    text += b" " * (-len(text) % 8)  # the numbers begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + numbers


def open_model(path: Path) -> tuple[bytes, Facts]:
    """A model file's bytes and facts; ONNX, or safetensors where it is called so.

    Raises CommonError if it cannot be read, is damaged, or was written by another program.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CommonError(f"cannot read the model {path}: {error.strerror}") from error
    try:
        if path.suffix == ".safetensors":
            header, numbers = _split(data)
            metadata = header.get("__metadata__", {})
            # Of files from before the header was covered, the digest is that of the numbers alone.
            digests = [_digest(header, numbers), hashlib.sha256(numbers).hexdigest()]
        else:
            metadata = dict(_metadata(data))
            content = data[: -len(_entry(_DIGEST, "0" * 64))]
            digests = [hashlib.sha256(content).hexdigest()]
        facts = json.loads(metadata[_FACTS]) if _FACTS in metadata else None
    except (ValueError, AttributeError, TypeError, IndexError) as error:
        raise CommonError(f"{path} is not a model file, or a damaged one") from error
    if not isinstance(facts, dict):
        raise CommonError(
            f"{path} does not say how it was made: give a model that this program has exported"
        )
    # Files from before there was a digest have none.
    if metadata.get(_DIGEST, digests[0]) not in digests:
        raise CommonError(f"{path} is damaged: its checksum is wrong; fetch or export it again")
    return data, facts


def read_facts(path: Path) -> Facts:
    """What a model file of either kind says about its model. Raises CommonError as `open_model`."""
    return open_model(path)[1]


def restate(path: Path, facts: Mapping[str, Any]) -> None:
    """Let a model file, as one of the two above has sealed it, say other facts of the same numbers.

    Raises CommonError as `open_model` and `write_model` do.
    """
    data, before = open_model(path)
    if path.suffix == ".safetensors":
        write_model(path, seal_weights(data, facts))
        return
    stated = _entry(_FACTS, dump_facts(before))
    write_model(
        path, seal_onnx(data[: -len(_entry(_DIGEST, "0" * 64))].removesuffix(stated), facts)
    )


def named(path: Path | str, suffix: str) -> Path:
    """A model's name with the suffix of one of its files, instead of the other's or none.

    >>> named("nets/v1.2", ".onnx").name, named("nets/v1.2.safetensors", ".onnx").name
    ('v1.2.onnx', 'v1.2.onnx')
    """
    path = Path(path)
    bare = path.stem if path.suffix in (".onnx", ".safetensors") else path.name
    return path.parent / (bare + suffix)


def dump_facts(facts: Mapping[str, Any]) -> str:
    """Facts as JSON, the same text for the same facts. Raises CommonError if that cannot be."""
    try:
        return json.dumps(facts, ensure_ascii=False, allow_nan=False, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise CommonError(f"the facts about a model must fit into JSON: {error}") from error


def write_model(path: Path, data: bytes) -> None:
    """Write beside the path, then rename. Raises CommonError if it is too large or fails."""
    if len(data) > MAX_BYTES:
        raise CommonError(
            f"{path} would have {len(data) / 2**20:.1f} MiB; a model file is at most "
            f"{MAX_BYTES >> 20} MiB: make the network smaller"
        )
    put(path, data)


def _split(weights: bytes) -> tuple[dict[str, Any], bytes]:
    """A safetensors file's header and numbers: its length in 8 bytes, the header as JSON, them."""
    length = int.from_bytes(weights[:8], "little")
    header = json.loads(weights[8 : 8 + length])
    if not isinstance(header, dict):
        raise ValueError("the header is not an object")
    return header, weights[8 + length :]


def _digest(header: Mapping[str, Any], numbers: bytes) -> str:
    """The SHA-256 of a safetensors file, but for itself."""
    metadata = {key: text for key, text in header.get("__metadata__", {}).items() if key != _DIGEST}
    return hashlib.sha256(_json({**header, "__metadata__": metadata}) + numbers).hexdigest()


def _json(header: Mapping[str, Any]) -> bytes:
    return json.dumps(header, ensure_ascii=False, sort_keys=True).encode()


def _entry(key: str, value: str) -> bytes:
    inner = _field(_KEY, key.encode()) + _field(_VALUE, value.encode())
    return _field(_METADATA, inner)


def _field(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    groups = []
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


def _metadata(model: bytes) -> Iterator[tuple[str, str]]:
    for tag, content in _fields(model):
        if tag == _METADATA:
            entry = dict(_fields(content))
            yield entry.get(_KEY, b"").decode(), entry.get(_VALUE, b"").decode()


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a protobuf message of numbers and texts. Raises ValueError, IndexError."""
    at = 0
    while at < len(message):
        tag, at = _number(message, at)
        length, after = _number(message, at)
        if tag & 7 == 2:
            at = after + length
            if at > len(message):
                raise ValueError("the message is cut off")
            yield tag, message[after:at]
        elif tag & 7 == 0:
            at = after
        else:
            raise ValueError("no model has such a field")


def _number(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise ValueError("the number is too long")
