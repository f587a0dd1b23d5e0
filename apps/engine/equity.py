"""The latest equity anybody knows: the engine's last frame where it is newer than the record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from apps.allocation.models import AccountState
from apps.core.errors import UnavailableError
from apps.engine.client import latest_frame
from apps.engine.messages import Frame


@dataclass(frozen=True, slots=True)
class Equity:
    """Minor units of `currency`, as of `at_ms`; `is_live`: from a frame, else as last recorded."""

    account_id: int
    book_id: UUID
    currency: str
    equity_minor: int
    at_ms: int
    is_live: bool


def frame_of(broker: str, book_id: UUID) -> Frame | None:
    """The book's last frame; None when there is none or it cannot be asked for."""
    try:
        return latest_frame(broker, book_id)
    except UnavailableError:
        return None


def latest_equity(
    broker: str, book_ids: Sequence[UUID], account_ids: Iterable[int]
) -> list[Equity]:
    """Of those accounts that are recorded in one of the books, in order of account.

    The recorded equity is that of the last mark, which a close may follow at once: the frame knows.
    """
    frames = {book_id: _by_account(frame_of(broker, book_id)) for book_id in set(book_ids)}
    states = AccountState.objects.filter(
        book_id__in=list(frames), account_id__in=account_ids
    ).order_by("account_id")
    return [_latest(state, frames[state.book_id].get(state.account_id)) for state in states]


def _by_account(frame: Frame | None) -> dict[int, tuple[int, int]]:
    """(equity, at_ms) by account."""
    if frame is None:
        return {}
    pairs = zip(frame.vector("account_ids").tolist(), frame.vector("equity").tolist(), strict=True)
    return {account_id: (equity, frame.at_ms) for account_id, equity in pairs}


def _latest(state: AccountState, framed: tuple[int, int] | None) -> Equity:
    at_ms = int(state.marked_at.timestamp() * 1000)
    equity, is_live = state.equity_minor, False
    if framed is not None and framed[1] >= at_ms:
        (equity, at_ms), is_live = framed, True
    return Equity(state.account_id, state.book_id, state.currency, equity, at_ms, is_live)
