"""A deal that the trading server takes back. Pure.

The server reverses it by a deal of the same volume and price on the other side. The book gives the
reversal to the tickets that the deal opened: a closing at that price, so that its P&L mirrors what
the deal had brought (nothing, for a block that one deal filled). What cannot be mirrored, because
it is closed already or on its way, is refused by name; the reversal then stays on the master for
people to see to.
"""

from __future__ import annotations

from apps.core.book.commands import BustReported
from apps.core.book.market import Market
from apps.core.book.outside import close_at_deal
from apps.core.book.placing import Decided
from apps.core.book.state import BookState
from apps.core.errors import RejectedError


def bust(state: BookState, report: BustReported, market: Market) -> Decided:
    """Raises RejectedError `bust_unknown`, `bust_not_open`."""
    found = (b for b in state.blocks.values() if report.busted_deal_id in b.deal_ids)
    block = next(found, None)
    if block is None:
        raise RejectedError(
            "bust_unknown", f"No open block was filled by deal {report.busted_deal_id}."
        )
    free = int((block.open_steps - block.closing_steps).sum())
    if report.steps > free:
        raise RejectedError(
            "bust_not_open",
            f"Deal {report.busted_deal_id} opened {report.steps} steps, of which {free} are left.",
        )
    _, events = close_at_deal(state, block, report.steps, report, market, reason="bust")
    return events, {"block_id": str(block.block_id), "steps": report.steps}
