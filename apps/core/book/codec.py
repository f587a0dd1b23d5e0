"""Bytes of the journal: msgspec msgpack, vectors packed.

A vector of int64 becomes one byte of width (1, 2, 4 or 8) and then little-endian signed integers
of that width, the narrowest that holds every value: a journal row is what an acknowledgement
waits for, so its size is latency.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from apps.core.errors import CorruptionError

Vec = NDArray[np.int64]
"""A vector of int64; in a book always aligned with something that the field's name says."""

_WIDTHS: tuple[tuple[int, str], ...] = ((1, "<i1"), (2, "<i2"), (4, "<i4"), (8, "<i8"))
T = TypeVar("T")


def vec(values: Any = ()) -> Vec:
    """An int64 vector from anything NumPy understands."""
    return np.asarray(values, dtype=np.int64)


def pack(vector: Vec) -> bytes:
    """Width byte + little-endian integers. Raises TypeError when the vector is not int64."""
    if vector.dtype != np.int64:
        raise TypeError(f"only int64 vectors are journaled, not {vector.dtype}")
    low, high = (int(vector.min()), int(vector.max())) if vector.size else (0, 0)
    for width, dtype in _WIDTHS:
        limit = 1 << (8 * width - 1)
        if -limit <= low and high < limit:
            return bytes((width,)) + vector.astype(dtype).tobytes()
    raise AssertionError("an int64 fits eight bytes")


def unpack(data: bytes) -> Vec:
    """The vector that `pack` made. Raises CorruptionError for any other bytes."""
    for width, dtype in _WIDTHS:
        if data[:1] == bytes((width,)) and (len(data) - 1) % width == 0:
            return np.frombuffer(data, dtype=dtype, offset=1).astype(np.int64)
    raise CorruptionError("bad_vector", "A packed vector has an unknown width or a torn end.")


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
