"""Accounts of a block whose own order failed: how many, why, which can be sent again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from django.utils.functional import Promise

from apps.core.book.state import Note
from apps.portals.manager.reasons import text_of

_NO_VOLUME = {
    note.name.lower() for note in (Note.LEG_BELOW_MIN, Note.LEG_ABOVE_MAX, Note.SYMBOL_NOT_MAPPED)
}
"""No order was ever made of these: there is nothing to send again."""


@dataclass(frozen=True, slots=True)
class FailedLegs:
    """reasons: (why in words, accounts). sendable: how many have an order to send again."""

    reasons: list[tuple[Promise | str, int]]
    count: int
    sendable: int

    @classmethod
    def of(cls, counted: Iterable[tuple[str, int]]) -> Self:
        """From (code, accounts), as books.failed_legs_of counts them."""
        rows = list(counted)
        return cls(
            [(text_of(code), accounts) for code, accounts in rows],
            sum(accounts for _, accounts in rows),
            sum(accounts for code, accounts in rows if code not in _NO_VOLUME),
        )

    @property
    def never_sent(self) -> int:
        return self.count - self.sendable
