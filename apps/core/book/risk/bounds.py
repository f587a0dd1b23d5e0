"""What protection allows an opening: trading at all, margin level, leverage. Pure."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import numpy as np

from apps.core.book.codec import Vec
from apps.core.book.risk.settings import LEVERAGE_SCALE, Protection
from apps.core.book.state import BookState
from apps.core.errors import ConflictError, RejectedError

NO_CAP = -1


def check_trading(state: BookState) -> None:
    """Raises RejectedError `book_stopped` while the master's stop holds."""
    stop = state.risk.master_stop
    if stop is not None:
        raise RejectedError(
            "book_stopped",
            f"A hard stop ({stop.reason}) holds this book ({stop.phase}): nothing is opened.",
            reason=stop.reason,
            phase=stop.phase,
        )


def check_not_stopped(state: BookState, account_id: int) -> None:
    """Raises ConflictError `account_stopped`."""
    stop = state.risk.stops.get(account_id)
    if stop is not None:
        raise ConflictError(
            "account_stopped",
            f"Equity protection stopped this account ({stop.reason}, {stop.phase}): lift it.",
            reason=stop.reason,
            phase=stop.phase,
        )


def check_own_restriction(state: BookState, account_id: int) -> None:
    """An investor changes no restriction of others. Raises ConflictError `restricted_by_other`."""
    party = state.risk.restricted.get(account_id, "investor")
    if party != "investor":
        raise ConflictError(
            "restricted_by_other", f"The {party} has restricted this account.", set_by=party
        )


def least_margin_levels(state: BookState, least_pct: int) -> Vec | int:
    """int64[members] of percent (or one for all): what an opening must leave of margin level."""
    vector = _bound(state, "_margin", lambda p: p.margin_level_min_pct, 1, max)
    return least_pct if vector is None else np.maximum(vector, least_pct)


def leverage_bounds(state: BookState) -> Vec | None:
    """int64[members] in 1/LEVERAGE_SCALE, NO_CAP without one; None when nobody has any."""
    return _bound(state, "_leverage", lambda p: p.max_leverage, LEVERAGE_SCALE, min)


def _bound(
    state: BookState,
    key: str,
    read: Callable[[Protection], Decimal | int | None],
    scale: int,
    strictest: Callable[..., int],
) -> Vec | None:
    """The strictest of all parties' bounds, per member, kept until limits or members change."""
    risk, size = state.risk, state.members.size
    kept: tuple[int, Vec | None] | None = risk.__dict__.get(key)
    if kept is None or kept[0] != size:
        kept = risk.__dict__[key] = (size, _bounds(state, read, scale, strictest))
    return kept[1]


def _bounds(
    state: BookState,
    read: Callable[[Protection], Decimal | int | None],
    scale: int,
    strictest: Callable[..., int],
) -> Vec | None:
    whole = [int(v * scale) for p in state.risk.every.values() if (v := read(p)) is not None]
    own = {
        account_id: values
        for account_id, sets in state.risk.own.items()
        if (values := [int(v * scale) for p in sets.values() if (v := read(p)) is not None])
    }
    if not whole and not own:
        return None
    default = strictest(whole) if whole else NO_CAP
    vector = np.full(state.members.size, default, dtype=np.int64)
    for account_id, values in own.items():
        at = state.index.get(account_id)
        if at is not None:
            vector[at] = strictest([*values, *whole])
    return vector
