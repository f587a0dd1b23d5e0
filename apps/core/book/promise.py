"""What a preview promises, and whether it can still be kept. Pure.

A token holds the order, the quotes it was previewed with, and digests of the rule and of the
shares. Executing with it divides the order by the *previewed* quotes, so that the shares are the
previewed ones to the step; it fails when the market has left the tolerance, or when rule or
accounts would now give other shares. The engine signs tokens and checks the signature before a
command reaches a book: nobody else can choose the quotes of a decision.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any
from uuid import UUID

import msgspec

from apps.core.book.codec import decode, encode
from apps.core.book.commands import Inputs, MasterMoney, PlaceBlock, QuoteIn
from apps.core.book.events import BlockAllocated, BlockPlaced
from apps.core.book.market import Market
from apps.core.book.placing import Decided, answer_placed, placed_block
from apps.core.book.sharing import Ask, allocate_block
from apps.core.book.state import BookState
from apps.core.errors import ConflictError, CorruptionError, InputError, RejectedError

MAX_AGE_MS = 30_000
MIN_TOLERANCE_POINTS = 10


class Promise(msgspec.Struct, frozen=True, array_like=True):
    """`tolerance_points`: twice the previewed spread, at least MIN_TOLERANCE_POINTS."""

    order: bytes
    rule: bytes
    links: bytes
    shares: bytes
    at_ms: int
    tolerance_points: int
    quotes: dict[str, QuoteIn]
    master: MasterMoney | None


def tolerance_points(bid: int, ask: int) -> int:
    return max(MIN_TOLERANCE_POINTS, 2 * (ask - bid))


def make_token(state: BookState, command: PlaceBlock, market: Market, event: BlockAllocated) -> str:
    """The unsigned token of a preview that gave `event`."""
    promise = Promise(
        _order(command),
        digest(command.rule or state.rule),
        _links(state),
        _shares(event),
        market.now_ms,
        tolerance_points(event.bid_points, event.ask_points),
        market.read,
        market.master_read,
    )
    return base64.urlsafe_b64encode(encode(promise)).decode()


def read_token(token: str) -> Promise:
    """The payload, whatever the signature. Raises InputError `preview_token_invalid`."""
    try:
        return decode(base64.urlsafe_b64decode(token.split(".")[0].encode()), Promise)
    except (CorruptionError, binascii.Error, ValueError) as error:
        raise InputError("preview_token_invalid", "This is no token of a preview.") from error


def place_promised(
    state: BookState, command: PlaceBlock, inputs: Inputs, market: Market
) -> Decided:
    """Place the order as it was previewed. One that waits is divided at its trigger, anew."""
    placed = placed_block(state, command, inputs, market)
    event = keep(state, command, placed, inputs, market)
    return answer_placed(placed, None if command.kind != "market" else event)


def keep(
    state: BookState, command: PlaceBlock, placed: BlockPlaced, inputs: Inputs, market: Market
) -> BlockAllocated:
    """The allocation that was previewed. Raises ConflictError `preview_order_changed`,
    `preview_expired`, `preview_quote_moved`, `preview_rule_changed`, `preview_accounts_changed`.
    """
    promise = read_token(command.token)
    if promise.order != _order(command):
        raise ConflictError("preview_order_changed", "This is not the order that was previewed.")
    age_ms = inputs.now_ms - promise.at_ms
    if not 0 <= age_ms <= MAX_AGE_MS:
        raise ConflictError(
            "preview_expired",
            f"A preview holds for {MAX_AGE_MS // 1000} s; this one is {age_ms / 1000:.1f} s old.",
            age_ms=age_ms,
            max_age_ms=MAX_AGE_MS,
        )
    _check_quote(promise, command.symbol, market)
    if promise.rule != digest(command.rule or state.rule):
        raise ConflictError("preview_rule_changed", "The book's rule is another one now.")
    if promise.links != _links(state):
        raise ConflictError(
            "preview_accounts_changed", "Accounts, their status or their terms have changed."
        )
    then = Market(promise.quotes, promise.at_ms, inputs.quote_max_age_ms, promise.master)
    try:
        event, _ = allocate_block(state, inputs, then, Ask.of(placed))
    except RejectedError as error:
        raise ConflictError(
            "preview_accounts_changed", f"Accounts have changed: {error.message}", now=error.code
        ) from error
    if _shares(event) != promise.shares:
        raise ConflictError(
            "preview_accounts_changed",
            "Balances or open positions have changed: the shares would be others.",
        )
    return event


def _check_quote(promise: Promise, symbol: str, market: Market) -> None:
    now, then = market.fresh(symbol), promise.quotes[symbol]
    moved = max(abs(now.bid - then.bid), abs(now.ask - then.ask))
    if moved > promise.tolerance_points:
        raise ConflictError(
            "preview_quote_moved",
            f"{symbol} has moved by {moved} points since the preview; the tolerance is"
            f" {promise.tolerance_points}.",
            moved_points=moved,
            tolerance_points=promise.tolerance_points,
            bid_points=now.bid,
            ask_points=now.ask,
        )


def _order(command: PlaceBlock) -> bytes:
    return digest(
        msgspec.structs.replace(command, command_id=UUID(int=0), comment="", placed_by="", token="")
    )


def _links(state: BookState) -> bytes:
    members = state.members
    return digest([members.account_ids, members.status, state.terms, state.defaults])


def _shares(event: BlockAllocated) -> bytes:
    return digest([event.account_ids, event.steps, event.reasons])


def digest(value: Any) -> bytes:
    """SHA-256 of the encoded value."""
    return hashlib.sha256(encode(value)).digest()
