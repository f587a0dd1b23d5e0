"""A book and what its trading server says: where they differ. No input or output.

What is on its way at the moment (a booking, a balance operation) is at neither side for certain:
its accounts are left out, the next comparison has them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from apps.core.book.codec import Vec
from apps.core.book.state import DETACHED, BalanceIntent, BookingIntent, BookState
from apps.servers.types import AccountState, Position, SymbolSpec

BALANCE, TICKET, UNALLOCATED = "balance", "ticket", "unallocated"
NOTHING = "–"
Tickets = dict[int, str]
"""Ticket id → what there is of it, as text: two sides are equal when the texts are."""


@dataclass(frozen=True)
class Difference:
    """`account_id`, `ticket_id` 0: the master's, none."""

    kind: str
    account_id: int
    expected: str
    found: str
    ticket_id: int = 0


def moving(state: BookState) -> set[int]:
    """Account ids of what is committed here and not yet settled by the server."""
    found: set[int] = set()
    for intent in state.intents.values():
        if isinstance(intent, BookingIntent):
            found.update(intent.account_ids.tolist())
        elif isinstance(intent, BalanceIntent):
            found.add(intent.account_id)
    return found


def linked(state: BookState) -> Vec:
    """Places of the members that the book answers for."""
    return np.flatnonzero(state.members.status != DETACHED)


def balances(state: BookState) -> dict[int, Decimal]:
    """Login → balance."""
    members, places = state.members, linked(state)
    digits = [state.digits_of[currency] for currency in state.currencies]
    rows = zip(
        members.logins[places].tolist(),
        members.balance_minor[places].tolist(),
        members.currency[places].tolist(),
        strict=True,
    )
    return {login: Decimal(minor).scaleb(-digits[currency]) for login, minor, currency in rows}


def accounts_by_login(state: BookState) -> dict[int, int]:
    places = linked(state)
    rows = zip(
        state.members.logins[places].tolist(),
        state.members.account_ids[places].tolist(),
        strict=True,
    )
    return dict(rows)


def compare_balances(
    expected: dict[int, Decimal], found: Iterable[AccountState], accounts: dict[int, int]
) -> list[Difference]:
    """`expected`: only what is to be compared. An account that the server lacks differs too."""
    theirs = {account.login: account.balance for account in found}
    return [
        Difference(BALANCE, accounts[login], str(ours), str(theirs.get(login, NOTHING)))
        for login, ours in expected.items()
        if theirs.get(login) != ours
    ]


def tickets(state: BookState, places: Vec) -> dict[int, Tickets]:
    """Account id → its open tickets, for the members at `places`."""
    wanted = np.zeros(state.members.size, dtype=bool)
    wanted[places] = True
    found: dict[int, Tickets] = {int(a): {} for a in state.members.account_ids[places]}
    for block in state.blocks.values():
        if block.status != "open":
            continue
        for at in np.flatnonzero(wanted[block.members] & (block.open_steps > 0)):
            account_id = int(state.members.account_ids[block.members[at]])
            found[account_id][block.first_ticket_id + int(at)] = _ticket(
                block.symbol, block.sign, int(block.open_steps[at]), block.open_points
            )
    for ticket_id, own in state.own_tickets.items():
        if own.steps and wanted[state.index[own.account_id]]:
            sign = 1 if own.side == "buy" else -1
            found[own.account_id][ticket_id] = _ticket(own.symbol, sign, own.steps, own.open_points)
    return found


def positions_as_tickets(
    positions: Iterable[Position], specs: dict[str, SymbolSpec]
) -> tuple[Tickets, int]:
    """What an account holds there, and how many steps of it belong to nobody."""
    found: Tickets = {}
    unallocated = 0
    for one in positions:
        if one.unallocated:
            unallocated += one.steps
        else:
            points = specs[one.symbol].to_points(one.open_price)
            found[one.position_id] = _ticket(one.symbol, int(one.side), one.steps, points)
    return found, unallocated


def _ticket(symbol: str, sign: int, steps: int, points: int) -> str:
    return f"{'buy' if sign > 0 else 'sell'} {steps} steps {symbol} at {points} points"


def compare_tickets(account_id: int, expected: Tickets, found: Tickets) -> list[Difference]:
    return [
        Difference(
            TICKET, account_id, expected.get(key, NOTHING), found.get(key, NOTHING), ticket_id=key
        )
        for key in sorted(expected.keys() | found.keys())
        if expected.get(key) != found.get(key)
    ]
