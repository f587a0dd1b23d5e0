"""What a joining account takes over of open blocks, at today's prices. Pure.

For every open block it gets the share that the block's rule would give it now, in a companion
block (`companions.py`), so that the others are not touched:

- rules that weigh (balance, equity, equal, lot weights, equity % as a share): as much per weight
  as those hold who hold the block now: half_up(open steps · own weight / Σ weights of the holders);
- rules that divide a volume by a parameter (percent, ratios): of the volume asked for, the part
  that is still open;
- rules that size each account (fixed lots, equity %, risk %): its own lots, rounded down to the
  part that is still open.

Then the rule's minimum and every cap apply, one block after the other, each counting the margin of
those before it. A preview tells all of it with its cost, and a token that holds it to that.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid5

import msgspec
import numpy as np

from apps.core.allocation import CONSERVING, Method, Reason, ResidualPolicy, Rule
from apps.core.book.codec import decode, encode, vec
from apps.core.book.commands import AccountInfo, Inputs, LinkAccount, QuoteIn
from apps.core.book.events import BlockAllocated, BlockPlaced, Event, JoinDecided, JoinShare
from apps.core.book.market import Market
from apps.core.book.promise import MAX_AGE_MS, digest, tolerance_points
from apps.core.book.sharing import Ask, allocate_block, weigh
from apps.core.book.state import Block, BookState, CarryState
from apps.core.book.terms import LinkTerms
from apps.core.errors import ConflictError, CorruptionError, InputError, RejectedError
from apps.core.ints import half_up_div

_WEIGHED = CONSERVING - {Method.PERCENT}
_SIZED = (Method.LOT_FIXED, Method.EQUITY_PERCENT, Method.RISK_PERCENT, Method.CUSTOM)


@dataclass(frozen=True, slots=True)
class Taken:
    """What is taken over of one block: its companion, or (none) the code that says why not."""

    parent: Block
    placed: BlockPlaced | None = None
    allocated: BlockAllocated | None = None
    code: str = ""

    @property
    def steps(self) -> int:
        return self.allocated.order_steps if self.allocated is not None else 0


@dataclass(frozen=True, slots=True)
class Takeover:
    """All of it. `view`: the book as it would be with the account and its companions opened."""

    account_id: int
    mode: Any
    taken: list[Taken]
    view: BookState

    @property
    def events(self) -> list[Event]:
        shares = [
            JoinShare(
                parent_id=one.parent.block_id,
                block_id=one.placed.block_id if one.placed is not None else None,
                steps=one.steps,
                code=one.code,
            )
            for one in self.taken
        ]
        events: list[Event] = [
            JoinDecided(account_id=self.account_id, mode=self.mode, shares=shares)
        ]
        for one in self.taken:
            if one.placed is not None and one.allocated is not None:
                events += [one.placed, one.allocated]
        return events

    def as_result(self) -> list[dict[str, Any]]:
        return [
            {
                "parent_id": str(one.parent.block_id),
                "block_id": str(one.placed.block_id) if one.placed is not None else None,
                "lots": str(self.view.symbols[one.parent.symbol].volume_step * one.steps),
                "code": one.code,
            }
            for one in self.taken
        ]


def promised_or_now(
    state: BookState, command: LinkAccount, account: AccountInfo, inputs: Inputs, market: Market
) -> Takeover:
    """As it was quoted, or refused where there is a token; else as it is now."""
    if not command.token:
        return take_over(state, command, account, inputs, market)
    promise = read_token(command.token)
    _check_promise(state, promise, command, market)
    then = Market(promise.quotes, promise.at_ms, inputs.quote_max_age_ms, market.master())
    taken = take_over(state, command, account, inputs, then)
    if _shares(taken) != promise.shares:
        raise ConflictError(
            "preview_accounts_changed",
            "The account or the open blocks have changed: the shares would be others.",
        )
    return taken


def take_over(
    state: BookState, command: LinkAccount, account: AccountInfo, inputs: Inputs, market: Market
) -> Takeover:
    """Every open block in turn. Raises RejectedError `no_quote`, `stale_quote`: all or nothing."""
    view = with_account(state, account, command.terms)
    taken: list[Taken] = []
    for parent in list(state.blocks.values()):
        if parent.status == "pending" or _is_companion(state, parent):
            continue
        if parent.status == "sent":
            taken.append(Taken(parent, code="not_open"))
            continue
        quote = market.fresh(parent.symbol)
        entry = quote.ask if parent.side == "buy" else quote.bid
        if command.mode == "only_losing" and (entry - parent.open_points) * parent.sign >= 0:
            taken.append(Taken(parent, code="not_losing"))
            continue
        one = _take(view, parent, command, inputs, market)
        if one.allocated is not None:
            _open_in_view(view, parent, one.allocated, entry)
        taken.append(one)
    return Takeover(command.account_id, command.mode, taken, view)


def _is_companion(state: BookState, block: Block) -> bool:
    """Of a block that is still open: its share comes from that one."""
    return block.parent_id is not None and block.parent_id in state.blocks


def with_account(state: BookState, account: AccountInfo, terms: LinkTerms | None) -> BookState:
    """The book with the account in it. The book itself is not touched."""
    members = msgspec.structs.replace(state.members)
    for name in members.__struct_fields__:
        setattr(members, name, getattr(members, name).copy())
    view = msgspec.structs.replace(
        state,
        members=members,
        currencies=list(state.currencies),
        digits_of=dict(state.digits_of),
        exposures={
            name: type(exposure)(*(v.copy() for v in msgspec.structs.astuple(exposure)))
            for name, exposure in state.exposures.items()
        },
        carries={
            k: CarryState(c.numerators.copy(), c.denominator) for k, c in state.carries.items()
        },
        terms=dict(state.terms),
        own_tickets=dict(state.own_tickets),
    )
    view.add_member(account)
    view.set_terms(account.account_id, terms)
    return view


def _take(
    view: BookState, parent: Block, command: LinkAccount, inputs: Inputs, market: Market
) -> Taken:
    placed = _companion(view, parent, command, inputs.now_ms)
    try:
        ask = _asked(view, parent, placed, inputs, market)
        if ask is None:
            return Taken(parent, code="rounded_to_zero")
        allocated, _ = allocate_block(view, inputs, market, ask)
    except (RejectedError, InputError) as error:
        return Taken(parent, code=_reason(error))
    placed = msgspec.structs.replace(
        placed,
        requested_steps=ask.volume_steps,
        manual_accounts=ask.manual_accounts,
        manual_steps=ask.manual_steps,
    )
    reason = Reason(int(allocated.reasons[0]))
    clipped = reason.name.lower() if reason.clips else ""
    return Taken(parent, placed, allocated, clipped)


def _reason(error: RejectedError | InputError) -> str:
    """The account's own reason where that is all there is to say, else the refusal's code."""
    names = [name for name in error.details if name.upper() in Reason.__members__]
    return names[0] if len(names) == 1 else error.code


def _companion(view: BookState, parent: Block, command: LinkAccount, now_ms: int) -> BlockPlaced:
    symbol = view.symbol(parent.symbol)
    return BlockPlaced(
        block_id=uuid5(command.command_id, str(parent.block_id)),
        symbol=parent.symbol,
        side=parent.side,
        kind="market",
        price_points=None,
        requested_steps=parent.requested_steps,
        rule=_alone(parent.rule),
        participants=vec([command.account_id]),
        placed_at_ms=now_ms,
        digits=symbol.digits,
        volume_step=symbol.volume_step,
        sl_points=parent.sl_points,
        tp_points=parent.tp_points,
        origin="join",
        parent_id=parent.block_id,
    )


def _alone(rule: Rule) -> Rule:
    """The block's rule for one account: nothing to carry, nobody else to take a residual."""
    return replace(
        rule,
        carry_forward=False,
        residual_policy=ResidualPolicy.LARGEST_REMAINDER,
        overflow_account_id=None,
    )


def _asked(
    view: BookState, parent: Block, placed: BlockPlaced, inputs: Inputs, market: Market
) -> Ask | None:
    """The order for the account alone; None when its share is less than half a step."""
    free = parent.open_steps - parent.closing_steps
    holds = free > 0
    open_steps, whole_steps = int(free.sum()), int(parent.target_steps[holds].sum())
    ask = Ask.of(placed)
    if not open_steps:
        return None
    method = parent.rule.method
    if method in _WEIGHED:
        weights = np.maximum(weigh(view, market, ask), 0)
        own = int(weights[view.index[int(placed.participants[0])]])
        total = int(weights[np.unique(parent.members[holds])].sum())
        steps = half_up_div(open_steps * own, total) if total else 0
        if not own or not total:
            raise RejectedError("nothing_allocated", "Nothing to weigh by.", no_equity=1)
    elif method in _SIZED and open_steps < whole_steps:
        allocated, _ = allocate_block(view, inputs, market, ask)
        manual = vec([allocated.order_steps * open_steps // whole_steps])
        if not manual[0]:
            return None
        return replace(ask, manual_accounts=placed.participants, manual_steps=manual)
    else:
        steps = half_up_div(parent.requested_steps * open_steps, whole_steps)
    return replace(ask, volume_steps=steps) if steps else None


def _open_in_view(view: BookState, parent: Block, allocated: BlockAllocated, entry: int) -> None:
    """The next block's margin and caps count this one."""
    view.next_ticket_id = allocated.first_ticket_id + 1
    at = view.index[int(allocated.account_ids[0])]
    exposure = view.exposure(parent.symbol)
    side = "long" if parent.side == "buy" else "short"
    getattr(exposure, f"{side}_steps")[at] += allocated.order_steps
    getattr(exposure, f"{side}_cost")[at] += allocated.order_steps * entry


# -- the token


class JoinPromise(msgspec.Struct, frozen=True, array_like=True):
    """`tolerance_points` by symbol; the digests as in promise.Promise."""

    order: bytes
    shares: bytes
    at_ms: int
    tolerance_points: dict[str, int]
    quotes: dict[str, QuoteIn]


def make_token(command: LinkAccount, taken: Takeover, market: Market) -> str:
    """The unsigned token of a quoted joining."""
    symbols = {one.parent.symbol for one in taken.taken}
    tolerances = {
        name: tolerance_points(quote.bid, quote.ask)
        for name, quote in market.read.items()
        if name in symbols
    }
    promise = JoinPromise(_order(command), _shares(taken), market.now_ms, tolerances, market.read)
    return base64.urlsafe_b64encode(encode(promise)).decode()


def read_token(token: str) -> JoinPromise:
    """The payload, whatever the signature. Raises InputError `preview_token_invalid`."""
    try:
        return decode(base64.urlsafe_b64decode(token.split(".")[0].encode()), JoinPromise)
    except (CorruptionError, binascii.Error, ValueError) as error:
        raise InputError("preview_token_invalid", "This is no token of a quote.") from error


def _check_promise(
    state: BookState, promise: JoinPromise, command: LinkAccount, market: Market
) -> None:
    """Raises ConflictError `preview_order_changed`, `preview_expired`, `preview_quote_moved`."""
    if promise.order != _order(command):
        raise ConflictError("preview_order_changed", "This is not the joining that was quoted.")
    age_ms = market.now_ms - promise.at_ms
    if not 0 <= age_ms <= MAX_AGE_MS:
        raise ConflictError(
            "preview_expired",
            f"A quote holds for {MAX_AGE_MS // 1000} s; this one is {age_ms / 1000:.1f} s old.",
            age_ms=age_ms,
            max_age_ms=MAX_AGE_MS,
        )
    for name, most in promise.tolerance_points.items():
        now, then = market.fresh(name), promise.quotes[name]
        moved = max(abs(now.bid - then.bid), abs(now.ask - then.ask))
        if moved > most:
            raise ConflictError(
                "preview_quote_moved",
                f"{name} has moved by {moved} points since the quote; the tolerance is {most}.",
                moved_points=moved,
                tolerance_points=most,
            )


def _order(command: LinkAccount) -> bytes:
    return digest(msgspec.structs.replace(command, command_id=UUID(int=0), placed_by="", token=""))


def _shares(taken: Takeover) -> bytes:
    return digest([[str(one.parent.block_id), one.steps, one.code] for one in taken.taken])
