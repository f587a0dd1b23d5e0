"""Tickets as rows: with the digits of their symbol and the account they belong to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from apps.accounts.models import TradingAccount
from apps.allocation.models import Ticket
from apps.allocation.selectors.accounts import digits_of

_DIGITS = 5


@dataclass(frozen=True, slots=True)
class TicketRow:
    ticket: Ticket
    account: TradingAccount
    digits: int

    @property
    def side(self) -> str:
        return "buy" if self.ticket.side > 0 else "sell"


def ticket_rows(tickets: Iterable[Ticket], accounts: Iterable[TradingAccount]) -> list[TicketRow]:
    """Rows in the tickets' order; one query for the digits."""
    by_id = {account.id: account for account in accounts}
    digits = digits_of(account.server_id for account in by_id.values())
    return [
        TicketRow(
            ticket,
            by_id[ticket.account_id],
            digits.get((by_id[ticket.account_id].server_id, ticket.symbol), _DIGITS),
        )
        for ticket in tickets
    ]
