"""Gain compounds each trade on the balance when it opened; absolute gain is on money paid in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from apps.core.errors import InputError
from apps.core.money import Exact, exact


class Happened(StrEnum):
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    OPEN = "open"  # a trade opened: remembers the balance
    CLOSE = "close"  # it closed with this P/L; without an OPEN it opened and closed at once


@dataclass(frozen=True, slots=True)
class Event:
    kind: Happened
    amount: Exact = 0
    trade: str = ""


def gain(events: Iterable[Event]) -> Fraction:
    """Π(1 + P/balance at open) − 1 over the trades, in order of their closes."""
    balance, product = Fraction(0), Fraction(1)
    opened: dict[str, Fraction] = {}
    for event in events:
        match event.kind:
            case Happened.DEPOSIT:
                balance += exact(event.amount)
            case Happened.WITHDRAWAL:
                balance -= exact(event.amount)
            case Happened.OPEN:
                opened[event.trade] = balance
            case Happened.CLOSE:
                base = opened.pop(event.trade, balance)
                if base <= 0:
                    raise InputError("no_start_equity", "a trade opened on no balance")
                product *= 1 + exact(event.amount) / base
                balance += exact(event.amount)
    return product - 1


def absolute_gain(profit: Exact, deposits: Exact, withdrawals: Exact = 0) -> Fraction | None:
    """profit / (deposits − withdrawals); None when no money is left in."""
    paid_in = exact(deposits) - exact(withdrawals)
    return exact(profit) / paid_in if paid_in > 0 else None
