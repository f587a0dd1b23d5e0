"""`/ws/desk/<book_id>`: one book for whoever manages or oversees it.

State (no key is ever null; what is not known is absent; money in minor units):

    book      {currency, aum, floating, accounts, projected_seq, lowest_level_ppm?,
               below_full_margin}   aum and floating converted to the book's currency
    aum       {CURRENCY: minor}     equity of the linked accounts, per currency
    quotes    {SYMBOL: {bid, ask, digits, at_ms}}
    blocks    {BLOCK_ID: {symbol, side, open_steps, open_points, floating}}   in book currency
    accounts  {PUBLIC_ID: {currency, balance, equity, floating, margin, level_ppm?}}
              only those the page asked for

Client → server: {"type": "watch", "accounts": [PUBLIC_ID, …]} replaces the rows wanted
(≤ 250). A new `projected_seq` means that the page's tables have something new to fetch.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

import numpy as np

from apps.engine.messages import Frame
from apps.live import limits
from apps.live.book import BookWatch, leave_book, watch_book
from apps.live.door import in_schema
from apps.live.patch import State
from apps.live.record import Account, desk_user
from apps.live.socket import BadMessageError, Moment, StateSocket

PPM = 1_000_000
_VECTORS = ("balance", "equity", "floating", "margin")


class DeskSocket(StateSocket):
    """See the module."""

    interval_s = limits.DESK_INTERVAL_S

    async def enter(self) -> None:
        self.book_id: UUID = self.scope["url_route"]["kwargs"]["book_id"]
        self.wanted: frozenset[str] = frozenset()
        self.watch: BookWatch | None = None
        await self.recheck()
        self.watch = await watch_book(self.visitor.broker, self.book_id, self.wake)

    async def recheck(self) -> None:
        visitor = self.visitor
        await in_schema(
            visitor.broker,
            partial(desk_user, visitor.session_key, visitor.user_id, self.book_id),
        )

    async def leave(self) -> None:
        if self.watch is not None:
            await leave_book(self.watch, self.wake)

    def moment(self) -> Moment:
        assert self.watch is not None
        frame = self.watch.frame
        body = desk_state(
            frame,
            self.watch.quote_states,
            self.watch.accounts,
            self.wanted,
            self.watch.projected_seq,
        )
        return Moment.of(frame, body)

    async def told(self, message: dict[str, Any]) -> None:
        if message["type"] != "watch":
            raise BadMessageError("unknown_message")
        wanted = message.get("accounts")
        if not isinstance(wanted, list) or not all(isinstance(one, str) for one in wanted):
            raise BadMessageError("bad_watch")
        if len(wanted) > limits.MAX_WATCHED_ACCOUNTS:
            raise BadMessageError("too_many_accounts")
        self.wanted = frozenset(wanted)
        self.wake()


def desk_state(
    frame: Frame | None,
    quotes: dict[str, State],
    accounts: dict[int, Account],
    wanted: frozenset[str],
    projected_seq: int,
) -> State:
    """The state of the module's docstring. Pure."""
    state: State = {
        "book": {"projected_seq": projected_seq},
        "quotes": dict(quotes),
        "aum": {},
        "blocks": {},
        "accounts": {},
    }
    if frame is None:
        return state
    equity, margin = frame.vector("equity"), frame.vector("margin")
    used = margin > 0
    levels = equity[used] / margin[used]  # only to find the lowest; its figure is exact below
    state["book"] |= {
        "currency": frame.book_currency,
        "aum": frame.book_aum_minor,
        "floating": frame.book_floating_minor,
        "accounts": int(equity.size),
        "below_full_margin": int(np.count_nonzero(equity[used] < margin[used])),
    }
    if levels.size:
        lowest = int(np.argmin(levels))
        state["book"]["lowest_level_ppm"] = level_ppm(
            int(equity[used][lowest]), int(margin[used][lowest])
        )
    state["aum"] = dict(frame.aum_minor)
    state["blocks"] = {
        str(block.block_id): {
            "symbol": block.symbol,
            "side": block.side,
            "open_steps": block.open_steps,
            "open_points": block.open_points,
            "floating": block.floating_minor,
        }
        for block in frame.blocks
    }
    state["accounts"] = _rows(frame, accounts, wanted) if wanted else {}
    return state


def _rows(frame: Frame, accounts: dict[int, Account], wanted: frozenset[str]) -> State:
    columns = {name: frame.vector(name) for name in _VECTORS}  # type: ignore[arg-type]
    rows: State = {}
    for place, account_id in enumerate(frame.vector("account_ids").tolist()):
        account = accounts.get(account_id)
        if account is not None and account.public_id in wanted:
            figures = {name: int(column[place]) for name, column in columns.items()}
            rows[account.public_id] = account_state(account, figures)
    return rows


def account_state(account: Account, figures: dict[str, int]) -> State:
    """One account's row: its figures, its currency, its margin level while margin is used."""
    state: State = {"currency": account.currency, **figures}
    if figures["margin"] > 0:
        state["level_ppm"] = level_ppm(figures["equity"], figures["margin"])
    return state


def level_ppm(equity_minor: int, margin_minor: int) -> int:
    """Margin level in parts per million, rounded down: 1,000,000 is 100 %."""
    return equity_minor * PPM // margin_minor
