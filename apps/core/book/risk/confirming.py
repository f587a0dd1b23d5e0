"""A hard stop by hand: what it would close, as a token that the command must bring. Pure.

The token is no secret and needs no signature: it proves that who stops has seen what is closed.
Counts and volumes must still be the same; notional and P&L move with the market and are as told.
"""

from __future__ import annotations

import base64
import binascii
from uuid import uuid5

import msgspec
import numpy as np

from apps.core.book.codec import Vec
from apps.core.book.commands import HardStop
from apps.core.book.events import StopTriggered
from apps.core.book.market import Market
from apps.core.book.marking import floating, used_margin
from apps.core.book.placing import Decided
from apps.core.book.risk.settings import check_may_set
from apps.core.book.risk.worth import master_sum
from apps.core.book.state import BookState
from apps.core.errors import ConflictError, InputError, RejectedError

MAX_AGE_MS = 60_000


class HardStopView(msgspec.Struct, frozen=True, array_like=True):
    """What a hard stop would do now: open blocks and their tickets closed, waiting ones cancelled.

    steps: by symbol, both sides; notional and P&L in minor units of the book's currency.
    """

    blocks: int
    tickets: int
    pending: int
    steps: dict[str, int]
    notional_minor: int
    pnl_minor: int
    at_ms: int

    @property
    def counted(self) -> tuple[object, ...]:
        return self.blocks, self.tickets, self.pending, self.steps


def look(state: BookState, market: Market) -> HardStopView:
    """Raises ConflictError `book_stopped`. What nothing prices counts as no money: an absent
    quote must not keep anybody from stopping."""
    if state.risk.master_stop is not None:
        raise ConflictError("book_stopped", "This book is stopped already.")
    open_blocks = [block for block in state.blocks.values() if block.status == "open"]
    steps: dict[str, int] = {}
    for block in open_blocks:
        steps[block.symbol] = steps.get(block.symbol, 0) + int(block.open_steps.sum())
    return HardStopView(
        blocks=len(open_blocks),
        tickets=sum(int(np.count_nonzero(block.open_steps)) for block in open_blocks),
        pending=len(state.blocks) - len(open_blocks),
        steps=dict(sorted(steps.items())),
        notional_minor=_summed(state, market, used_margin(state, market, leverage=1)),
        pnl_minor=_summed(state, market, floating(state, market)),
        at_ms=market.now_ms,
    )


def _summed(state: BookState, market: Market, amounts: Vec) -> int:
    try:
        return master_sum(state, market, amounts)
    except RejectedError:
        return 0


def make_token(view: HardStopView) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(view)).decode()


def read_token(token: str) -> HardStopView:
    """Raises InputError `hard_stop_token_invalid`."""
    try:
        data = base64.urlsafe_b64decode(token.encode())
        return msgspec.msgpack.decode(data, type=HardStopView)
    except (msgspec.MsgspecError, binascii.Error, ValueError) as error:
        raise InputError("hard_stop_token_invalid", "This is no token of a hard stop.") from error


def hard_stop(state: BookState, command: HardStop, market: Market) -> Decided:
    """Begin the master's stop. Raises ConflictError `hard_stop_changed`, `hard_stop_expired`."""
    check_may_set(command.party, "master")
    seen, now = read_token(command.token), look(state, market)
    if market.now_ms - seen.at_ms > MAX_AGE_MS:
        raise ConflictError("hard_stop_expired", "What was shown is older than a minute: look.")
    if seen.counted != now.counted:
        raise ConflictError(
            "hard_stop_changed",
            f"It would close {now.blocks} blocks with {now.tickets} tickets and cancel"
            f" {now.pending} now, not {seen.blocks}, {seen.tickets} and {seen.pending}.",
            blocks=now.blocks,
            tickets=now.tickets,
            pending=now.pending,
        )
    event = StopTriggered(
        stop_id=uuid5(command.command_id, "master"),
        account_id=None,
        reason="manual",
        party=command.party,
        equity_minor=_summed(state, market, state.members.balance_minor + floating(state, market)),
        level_minor=0,
        reference_minor=0,
        at_ms=market.now_ms,
    )
    return [event], {"status": "close_only", "blocks": now.blocks, "stop_id": str(event.stop_id)}
