"""Orders: place, amend, close, cancel."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from apps.core.allocation.rule import Rule
from apps.core.book.commands.base import Expiry, OrderKind, Side, Stimulus


class PlaceBlock(Stimulus, frozen=True, kw_only=True, tag="place_block"):
    """One master order to be divided. Its block id is its command id.

    `volume_lots` is what is asked for; the order sent is the sum of the sub-accounts' shares.
    `price` is the limit or stop price and must be None for a market order; a stop-limit has both:
    the stop in `price`, and in `limit_price` what its order is limited to once the stop is
    reached. `trailing_distance`: the stop loss follows the best price at this distance, in steps
    of `trailing_step` (None: a tenth of the distance). `rule`: None is the book's.
    `manual_lots`: account id → lots of this one order, in place of what the rule gives.
    `stop_loss`, `take_profit`: prices, the same for all accounts. `expires_at_ms` goes with
    `expiry` "date"; a "day" ends with the UTC day. `token`: of a preview that must still hold.
    """

    symbol: str
    side: Side
    volume_lots: Decimal
    kind: OrderKind = "market"
    price: Decimal | None = None
    rule: Rule | None = None
    manual_lots: dict[int, Decimal] = {}
    limit_price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    trailing_distance: Decimal | None = None
    trailing_step: Decimal | None = None
    expiry: Expiry = "gtc"
    expires_at_ms: int | None = None
    token: str = ""
    comment: str = ""
    placed_by: str = ""


class AmendBlock(Stimulus, frozen=True, kw_only=True, tag="amend_block"):
    """Change a block. None leaves a thing as it is; a stop loss, take profit or trailing distance
    of 0 removes it (the stop loss stays where trailing has brought it).

    Prices and volume are those of a pending block; SL, TP and trailing also of one that is open.
    """

    block_id: UUID
    price: Decimal | None = None
    limit_price: Decimal | None = None
    volume_lots: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    trailing_distance: Decimal | None = None
    trailing_step: Decimal | None = None
    placed_by: str = ""


class CloseBlock(Stimulus, frozen=True, kw_only=True, tag="close_block"):
    """Close a block whole (neither given) or in part: lots, or a fraction of what is open.

    Its close id is its command id.
    """

    block_id: UUID
    volume_lots: Decimal | None = None
    fraction: Decimal | None = None
    placed_by: str = ""


class CloseBy(Stimulus, frozen=True, kw_only=True, tag="close_by"):
    """Close two open blocks of one symbol and opposite sides against each other.

    Per account the smaller of its two tickets; what is left of the larger stays open. Where the
    server nets positions, no order goes to the market: both sides are booked at the open price of
    `other_block_id`. Elsewhere two market orders, one for each block.
    """

    block_id: UUID
    other_block_id: UUID
    placed_by: str = ""


class ReverseBlock(Stimulus, frozen=True, kw_only=True, tag="reverse_block"):
    """Close all that is open of a block and open the opposite: `volume_lots`, or as much.

    Two steps of which the second follows from the first: the closing order is sent with this
    record; when it has filled, the opposite block (its id is in the answer) is divided by the
    closed block's rule, at the equity and margin of that moment. When the closing fails it is
    cancelled (`reverse_not_closed`); when it is refused, the old block stays closed and the new
    one is rejected with its reason; when the closing takes longer than a minute it is not opened
    any more (`expired`).
    """

    block_id: UUID
    volume_lots: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    trailing_distance: Decimal | None = None
    trailing_step: Decimal | None = None
    placed_by: str = ""


class CloseAll(Stimulus, frozen=True, kw_only=True, tag="close_all"):
    """Close every open block, or those in one symbol, each at one price."""

    symbol: str | None = None
    placed_by: str = ""


class CancelBlock(Stimulus, frozen=True, kw_only=True, tag="cancel_block"):
    """Cancel a pending block, or what is not filled of its order at the server."""

    block_id: UUID
    placed_by: str = ""


class CancelAll(Stimulus, frozen=True, kw_only=True, tag="cancel_all"):
    """Cancel everything that waits, or what waits in one symbol."""

    symbol: str | None = None
    placed_by: str = ""
