"""NumPy int64 vectors as PostgreSQL bigint[] parameters, in binary, without a Python loop."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from psycopg import Connection
from psycopg.adapt import Dumper
from psycopg.pq import Format

_INT8, _INT8_ARRAY = 20, 1016
_ELEMENT = np.dtype([("length", ">i4"), ("value", ">i8")])


class Int64VectorDumper(Dumper):
    """One-dimensional, no nulls: header, then length and value of every element."""

    format = Format.BINARY
    oid = _INT8_ARRAY

    def dump(self, obj: Any) -> bytes:
        if obj.dtype != np.int64 or obj.ndim != 1:
            raise TypeError(f"expected a vector of int64, not {obj.dtype}, {obj.ndim} dimensions")
        if not obj.size:
            return struct.pack(">iii", 0, 0, _INT8)
        elements = np.empty(obj.size, dtype=_ELEMENT)
        elements["length"] = 8
        elements["value"] = obj
        return struct.pack(">iiiii", 1, 0, _INT8, obj.size, 1) + elements.tobytes()


def register(connection: Connection[Any]) -> None:
    """Let `connection` take int64 vectors as parameters."""
    connection.adapters.register_dumper(np.ndarray, Int64VectorDumper)
