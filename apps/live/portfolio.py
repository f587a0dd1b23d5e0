"""`/ws/portfolio`: an investor's own accounts, and nothing else.

State (no key is ever null; what is not known is absent; money in minor units of the account):

    books     {BOOK_ID: {projected_seq, at_ms?}}
    accounts  {PUBLIC_ID: {book, currency, balance, equity, floating, margin, level_ppm?}}
    tickets   {TICKET_ID: {account, symbol, side: 1|-1, open_steps, volume_step, open_price,
               price?, pnl?}}       open ones; price is what it would close at now
    quotes    {SYMBOL: {bid, ask, digits, at_ms}}   of the open tickets

`epoch`, `seq` of a message are sums over the books, `at_ms` the oldest frame's. A ticket that
appears or goes does so in the frame that also carries the new `projected_seq` of its book.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

from apps.live import limits
from apps.live.book import BookWatch, leave_book, watch_book
from apps.live.desk import account_state
from apps.live.door import in_schema
from apps.live.patch import State
from apps.live.record import Account, portfolio_user
from apps.live.socket import BadMessageError, Moment, StateSocket


class PortfolioSocket(StateSocket):
    """See the module."""

    interval_s = limits.PORTFOLIO_INTERVAL_S

    async def enter(self) -> None:
        self.watches: dict[UUID, BookWatch] = {}
        self.own: dict[UUID, dict[int, Account]] = {}
        await self.recheck()

    async def recheck(self) -> None:
        """Accounts linked or detached since are taken up or dropped here."""
        visitor = self.visitor
        found = await in_schema(
            visitor.broker, partial(portfolio_user, visitor.session_key, visitor.user_id)
        )
        new = {book: {a.account_id: a for a in accounts} for book, accounts in found.items()}
        if new == self.own:
            return
        await self._drop(set(self.own))
        for book_id, accounts in new.items():
            watch = await watch_book(visitor.broker, book_id, self.wake)
            self.watches[book_id] = watch
            self.own[book_id] = accounts
            await watch.look_at(accounts)
        self.wake()

    async def leave(self) -> None:
        await self._drop(set(self.own))

    async def _drop(self, books: set[UUID]) -> None:
        for book_id in books:
            watch = self.watches.pop(book_id)
            watch.look_away(self.own.pop(book_id))
            await leave_book(watch, self.wake)

    def moment(self) -> Moment:
        frames = [watch.frame for watch in self.watches.values()]
        ages = [frame.at_ms for frame in frames if frame is not None]
        return Moment(
            epoch=sum(frame.epoch for frame in frames if frame is not None),
            seq=sum(frame.seq for frame in frames if frame is not None),
            at_ms=min(ages) if ages and len(ages) == len(frames) else None,
            body=portfolio_state([(self.watches[book], self.own[book]) for book in self.own]),
        )

    async def told(self, message: dict[str, Any]) -> None:
        raise BadMessageError("unknown_message")


def portfolio_state(books: list[tuple[BookWatch, dict[int, Account]]]) -> State:
    """The state of the module's docstring."""
    state: State = {"books": {}, "accounts": {}, "tickets": {}, "quotes": {}}
    for watch, own in books:
        book = str(watch.book_id)
        state["books"][book] = {"projected_seq": watch.projected_seq}
        if watch.frame is not None:
            state["books"][book]["at_ms"] = watch.frame.at_ms
        for account in own.values():
            _add_account(state, watch, account)
    return state


def _add_account(state: State, watch: BookWatch, account: Account) -> None:
    figures = watch.row(account.account_id)
    if figures is not None:
        state["accounts"][account.public_id] = {
            "book": str(watch.book_id),
            **account_state(account, figures),
        }
    tickets = watch.tickets.get(account.account_id, [])
    if not tickets:
        return
    prices, quotes = watch.prices, watch.quote_states
    for ticket in tickets:
        row: State = {
            "account": account.public_id,
            "symbol": ticket.symbol.partition("@")[0],
            "side": ticket.side,
            "open_steps": ticket.open_steps,
            "volume_step": _plain(ticket.volume_step),
            "open_price": _plain(ticket.open_price),
        }
        marked = watch.marker.floating(ticket, account.currency, prices)
        if marked is not None:
            row["price"], row["pnl"] = marked
        state["tickets"][str(ticket.ticket_id)] = row
        quote = quotes.get(ticket.symbol)
        if quote is not None:
            state["quotes"][ticket.symbol] = quote


@lru_cache(maxsize=65_536)
def _plain(number: Decimal) -> str:
    """Without trailing zeros."""
    return f"{number.normalize():f}"
