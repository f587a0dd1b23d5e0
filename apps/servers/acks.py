"""The outcomes of a command. Done, rejected or *unknown*: three, never two.

An ack is not an execution: only an `events.Fill` moves a book.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

from apps.servers.errors import CLASS_OF, ErrorClass


class Booked(msgspec.Struct, frozen=True):
    """What an allocation did, row by row in the order of the command's vectors.

    Packed int64: `logins`, `ticket_ids`, `profit_minor` (minor units of each account's
    currency, zeros for an opening allocation).
    """

    logins: bytes
    ticket_ids: bytes
    profit_minor: bytes
    unallocated_steps: int  # what the deals named still hold


class Done(msgspec.Struct, frozen=True, tag=True):
    """Accepted and durable on the server."""

    command_id: UUID
    order_id: str | None = None  # submit, close_position, amend, cancel
    deal_id: str | None = None  # balance operations
    login: int | None = None  # create_account
    booked: Booked | None = None  # allocate


class Rejected(msgspec.Struct, frozen=True, tag=True):
    """Refused; nothing changed. `code` is neutral (errors.CLASS_OF), `raw` the server's own."""

    command_id: UUID
    code: str
    message: str
    raw: str = ""

    @property
    def error_class(self) -> ErrorClass:
        return CLASS_OF.get(self.code, "terminal")


class Unknown(msgspec.Struct, frozen=True, tag=True):
    """Sent, no answer: it may or may not have happened. `resolve(command_id)` settles it."""

    command_id: UUID
    reason: str


class NotFound(msgspec.Struct, frozen=True, tag=True):
    """Only from `resolve`: the server has not seen this command id (so far)."""

    command_id: UUID


Ack = Done | Rejected | Unknown
Resolution = Done | Rejected | NotFound | Unknown
StoredOutcome = Done | Rejected
