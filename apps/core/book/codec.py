"""Bytes of the journal: msgspec msgpack, vectors packed.

A journal row is what an acknowledgement waits for, so its size is latency. A vector of int64 is
written in the shortest of three forms; the first byte says which, all integers are little-endian:

    1, 2, 4, 8   signed integers of that many bytes, one after the other
    16           width w (1 byte), count n (4), least value (8), number of exceptions e (4); then
                 value − least of every element, its low w bytes: all low halves first, i.e. for
                 w = 3 n × 2 bytes, then n × 1 byte (w is cut into 4, 2, 1); then e positions
                 (4 each) and e offsets (8 each): elements whose offset needs more than w bytes
    17           first value (8), then the differences between neighbours as a vector of form 16;
                 for ids in ascending order
"""

from __future__ import annotations

import struct
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from apps.core.errors import CorruptionError

Vec = NDArray[np.int64]
"""A vector of int64; in a book always aligned with something that the field's name says."""

_WIDTHS: tuple[tuple[int, str], ...] = ((1, "<i1"), (2, "<i2"), (4, "<i4"), (8, "<i8"))
_OFFSETS, _ASCENDING = 16, 17
_HEAD, _I8 = struct.Struct("<BBIqI"), struct.Struct("<q")
_PER_EXCEPTION = 12
_SHORT = 24
"""Up to here the head of the longer forms costs more than it saves."""
_SPAN = 1 << 62
_NOWHERE = np.zeros(0, dtype=np.int64)
_EMPTY = b"\x01"
T = TypeVar("T")


def vec(values: Any = ()) -> Vec:
    """An int64 vector from anything NumPy understands."""
    return np.asarray(values, dtype=np.int64)


def pack(vector: Vec) -> bytes:
    """The shortest form. Raises TypeError when the vector is not int64."""
    if vector.dtype != np.int64:
        raise TypeError(f"only int64 vectors are journaled, not {vector.dtype}")
    if not vector.size:
        return _EMPTY
    low, high = int(np.minimum.reduce(vector)), int(np.maximum.reduce(vector))
    width, dtype = next((w, d) for w, d in _WIDTHS if -_half(w) <= low and high < _half(w))
    if vector.size > _SHORT and high - low < _SPAN:
        if _is_ascending(vector):
            steps = vector[1:] - vector[:-1]
            least, most = int(np.minimum.reduce(steps)), int(np.maximum.reduce(steps))
            best = bytes((_ASCENDING,)) + _I8.pack(low) + _offsets(steps, least, most - least)
        else:
            best = _offsets(vector, low, high - low)
        if len(best) <= width * vector.size:
            return best
    return bytes((width,)) + vector.astype(dtype).tobytes()


def _half(width: int) -> int:
    return 1 << (8 * width - 1)


def _is_ascending(vector: Vec) -> bool:
    first = vector[:_SHORT]
    if not bool((first[1:] > first[:-1]).all()):
        return False
    return bool((vector[1:] > vector[:-1]).all())


def _offsets(vector: Vec, low: int, span: int) -> bytes:
    """Form 16: as many bytes per element as make the whole the shortest; span: largest − low."""
    offsets = (vector - low).view(np.uint64)
    width, wide = _narrowest(offsets, span)
    at = np.flatnonzero(offsets > _most(width)) if wide else _NOWHERE
    parts = [_HEAD.pack(_OFFSETS, width, vector.size, low, at.size)]
    shift = 0
    for bytes_, dtype in _planes(width):
        plane = offsets >> np.uint64(shift) if shift else offsets
        parts.append(plane.astype(dtype).tobytes())
        shift += 8 * bytes_
    if at.size:
        parts += [at.astype("<u4").tobytes(), offsets[at].astype("<u8").tobytes()]
    return b"".join(parts)


def _narrowest(offsets: NDArray[np.uint64], span: int) -> tuple[int, int]:
    """(bytes per element, elements that need more) of the shortest form; span: the largest."""
    most = (span.bit_length() + 7) // 8
    best = most, 0
    for width in range(most - 1, -1, -1):
        wide = int(np.count_nonzero(offsets > _most(width)))
        if wide * _PER_EXCEPTION >= offsets.size * most:
            break
        if width * offsets.size + wide * _PER_EXCEPTION < best[0] * offsets.size + (
            best[1] * _PER_EXCEPTION
        ):
            best = width, wide
    return best


def _most(width: int) -> np.uint64:
    return np.uint64((1 << (8 * width)) - 1)


def _planes(width: int) -> list[tuple[int, str]]:
    return [(part, f"<u{part}") for part in (8, 4, 2, 1) if width & part]


def unpack(data: bytes) -> Vec:
    """The vector that `pack` made. Raises CorruptionError for any other bytes."""
    form = data[0] if data else 0
    try:
        if form == _OFFSETS:
            return _read_offsets(data, 0)
        if form == _ASCENDING:
            steps = _read_offsets(data, 1 + _I8.size)
            first = np.frombuffer(data, dtype="<i8", offset=1, count=1)
            return np.cumsum(np.concatenate((first, steps)), dtype=np.int64)
    except (ValueError, IndexError, struct.error) as error:
        raise CorruptionError("bad_vector", f"A packed vector is torn: {error}") from error
    for width, dtype in _WIDTHS:
        if form == width and (len(data) - 1) % width == 0:
            return np.frombuffer(data, dtype=dtype, offset=1).astype(np.int64)
    raise CorruptionError("bad_vector", "A packed vector has an unknown width or a torn end.")


def _read_offsets(data: bytes, at: int) -> Vec:
    """Form 16 from `at` to the end. Raises ValueError, IndexError, struct.error where it is not."""
    form, width, size, low, wide = _HEAD.unpack_from(data, at)
    at += _HEAD.size
    if form != _OFFSETS or width > 8 or len(data) != at + width * size + wide * _PER_EXCEPTION:
        raise ValueError("its length is not what its head says")
    offsets = np.zeros(size, dtype=np.uint64)
    shift = 0
    for bytes_, dtype in _planes(width):
        plane = np.frombuffer(data, dtype=dtype, offset=at, count=size).astype(np.uint64)
        offsets |= plane << np.uint64(shift)
        at += bytes_ * size
        shift += 8 * bytes_
    if wide:
        places = np.frombuffer(data, dtype="<u4", offset=at, count=wide)
        offsets[places] = np.frombuffer(data, dtype="<u8", offset=at + 4 * wide, count=wide)
    values: Vec = offsets.view(np.int64) + low
    return values


def _enc_hook(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return pack(value)
    raise NotImplementedError(f"{type(value).__name__} is not part of a journal record")


def _dec_hook(expected: type, value: Any) -> Any:
    if getattr(expected, "__origin__", expected) is np.ndarray:
        return unpack(value)
    raise NotImplementedError(f"{expected} is not part of a journal record")


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_enc_hook)
_DECODERS: dict[Any, msgspec.msgpack.Decoder[Any]] = {}


def encode(value: Any) -> bytes:
    """Msgpack of any struct of this package; the same history gives the same bytes."""
    return _ENCODER.encode(value)


def decode(data: bytes, kind: type[T]) -> T:
    """The `kind` that `encode` wrote. Raises CorruptionError when the bytes are not one."""
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.msgpack.Decoder(kind, dec_hook=_dec_hook)
    try:
        return decoder.decode(data)  # type: ignore[no-any-return]
    except msgspec.MsgspecError as error:
        name = getattr(kind, "__name__", str(kind))
        raise CorruptionError("bad_record", f"Not a {name}: {error}") from error
