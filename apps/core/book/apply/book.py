"""Symbols, bookings, money, refusals."""

from __future__ import annotations

from apps.core.book import events as ev
from apps.core.book.apply.shared import Handlers
from apps.core.book.codec import vec
from apps.core.book.state import (
    BalanceIntent,
    BookState,
)


def _symbol_defined(state: BookState, event: ev.SymbolDefined) -> None:
    state.define_symbol(event.symbol)


def _booking_settled(state: BookState, event: ev.BookingSettled) -> None:
    del state.intents[event.booking_id]


def _balance_requested(state: BookState, event: ev.BalanceRequested) -> None:
    at = state.index[event.account_id]
    state.intents[event.operation_id] = BalanceIntent(
        operation_id=event.operation_id,
        account_id=event.account_id,
        login=int(state.members.logins[at]),
        kind=event.kind,
        amount_minor=event.amount_minor,
        currency_digits=state.digits_of[state.currencies[int(state.members.currency[at])]],
        comment=event.comment,
        server_id=state.mirror.server_of.get(event.account_id, 0),
    )


def _balance_settled(state: BookState, event: ev.BalanceSettled) -> None:
    del state.intents[event.operation_id]
    if event.done:
        state.members.balance_minor[state.index[event.account_id]] += event.amount_minor
        references = state.risk.references
        at = references.at(vec([event.account_id]))
        if at[0] >= 0:
            references.flowed(at, event.amount_minor)
            state.risk.forget_cached()


def _refused(state: BookState, event: ev.CommandRefused) -> None:
    """Changes nothing."""


HANDLERS: Handlers = {
    ev.SymbolDefined: _symbol_defined,
    ev.BookingSettled: _booking_settled,
    ev.BalanceRequested: _balance_requested,
    ev.BalanceSettled: _balance_settled,
    ev.CommandRefused: _refused,
}
