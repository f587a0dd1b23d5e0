"""Journal records: one per stimulus, chained by digest.

    digest(n) = SHA-256( digest(n−1) ‖ seq ‖ epoch ‖ at_ms ‖ command id ‖ body )

with seq, epoch and at_ms as 8 bytes big-endian and 32 zero bytes before the first record.
"""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

import msgspec

from apps.core.book.apply import apply
from apps.core.book.codec import decode, encode
from apps.core.book.commands import (
    AnyStimulus,
    BustReported,
    FillReported,
    Inputs,
    OpenBook,
    OutsideFill,
    OwnTicketClosed,
    ServerClosed,
)
from apps.core.book.decide import decide
from apps.core.book.events import CommandRefused, Event
from apps.core.book.state import BookState
from apps.core.errors import CorruptionError

GENESIS = bytes(32)
_TOLD_BY_SERVER = (FillReported, OutsideFill, BustReported, OwnTicketClosed, OpenBook, ServerClosed)


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked or told, what was looked at, what follows, and the answer."""

    stimulus: AnyStimulus
    inputs: Inputs
    events: list[Event]
    result: dict[str, Any]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a journal. `body` is an encoded Body."""

    seq: int
    epoch: int
    at_ms: int
    command_id: UUID
    body: bytes
    digest: bytes


def digest_of(
    previous: bytes, seq: int, epoch: int, at_ms: int, command_id: UUID, body: bytes
) -> bytes:
    """The digest of a record from its fields and the digest of the one before it."""
    head = b"".join(number.to_bytes(8, "big") for number in (seq, epoch, at_ms))
    digest = hashlib.sha256(b"".join((previous, head, command_id.bytes)))
    digest.update(body)
    return digest.digest()


def make_record(
    state: BookState | None,
    stimulus: AnyStimulus,
    inputs: Inputs,
    *,
    seq: int,
    epoch: int,
    previous: bytes,
) -> tuple[Record, Body]:
    """Decide, and chain the record to `previous`. Changes nothing."""
    decision = decide(state, stimulus, inputs)
    body = Body(
        stimulus=stimulus, inputs=decision.inputs, events=decision.events, result=decision.result
    )
    data = encode(body)
    at_ms = inputs.now_ms
    digest = digest_of(previous, seq, epoch, at_ms, stimulus.command_id, data)
    record = Record(
        seq=seq,
        epoch=epoch,
        at_ms=at_ms,
        command_id=stimulus.command_id,
        body=data,
        digest=digest,
    )
    return record, body


def read_body(record: Record) -> Body:
    """Raises CorruptionError when the bytes are not a body."""
    return decode(record.body, Body)


def refusal(body: Body) -> CommandRefused | None:
    """The refusal, when that is what was decided."""
    first = body.events[0] if body.events else None
    return first if isinstance(first, CommandRefused) else None


def advance(state: BookState | None, body: Body) -> BookState:
    """The state after a record: its events, and the server's cursor, which fills move."""
    state = apply(state, body.events) if body.events or state is None else state
    told = body.stimulus
    if isinstance(told, FillReported) and told.server_id:
        cursors = state.mirror.cursors
        cursors[told.server_id] = max(cursors.get(told.server_id, 0), told.server_seq)
    elif isinstance(told, _TOLD_BY_SERVER):
        state.server_seq = max(state.server_seq, told.server_seq)
    return state


def check_digest(record: Record, previous: bytes) -> None:
    """Raises CorruptionError `digest_mismatch`."""
    expected = digest_of(
        previous, record.seq, record.epoch, record.at_ms, record.command_id, record.body
    )
    if expected != record.digest:
        raise CorruptionError(
            "digest_mismatch",
            f"Record {record.seq} does not carry the digest of its content and predecessor.",
            seq=record.seq,
        )
