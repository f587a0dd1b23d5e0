"""Shapes of requests and answers. Lots, prices and money are decimal strings."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from apps.allocation.models import Block
from apps.api.fields import LotsField, PositiveDecimal
from apps.api.selectors import Rounding
from apps.core.allocation import Method


class StrictSerializer(serializers.Serializer[Any]):
    """Unknown fields are errors: a misspelt `price` must not become a market order."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            unknown = sorted(set(data) - set(self.fields))
            if unknown:
                raise serializers.ValidationError(
                    {
                        str(unknown[0])[:60]: serializers.ErrorDetail(
                            "There is no such field.", "field_unknown"
                        )
                    }
                )
        return super().to_internal_value(data)


class PlaceBlockRequest(StrictSerializer):
    symbol = serializers.RegexField(r"^[A-Za-z0-9#._\-]{1,32}$", max_length=32)
    side = serializers.ChoiceField(["buy", "sell"])
    type = serializers.ChoiceField(["market", "limit", "stop", "stop_limit"], default="market")
    lots = PositiveDecimal()
    price = PositiveDecimal(
        required=False, allow_null=True, default=None, help_text="of a limit or stop; the stop"
    )
    limit_price = PositiveDecimal(
        required=False, allow_null=True, default=None, help_text="of a stop_limit"
    )
    stop_loss = PositiveDecimal(required=False, allow_null=True, default=None)
    take_profit = PositiveDecimal(required=False, allow_null=True, default=None)
    trailing_distance = PositiveDecimal(
        required=False,
        allow_null=True,
        default=None,
        help_text="as a difference of prices: the stop loss follows the best price at it",
    )
    trailing_step = PositiveDecimal(
        required=False,
        allow_null=True,
        default=None,
        help_text="the least move of a trailing stop; without it a tenth of the distance",
    )
    expiry = serializers.ChoiceField(["gtc", "day", "date"], default="gtc")
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    method = serializers.ChoiceField(
        [str(m) for m in Method if m is not Method.CUSTOM],
        required=False,
        allow_null=True,
        default=None,
        help_text="for this order alone; without it the book's rule",
    )
    manual_lots = serializers.DictField(
        child=LotsField(),
        required=False,
        default=dict,
        help_text="account id → lots of this order",
    )
    token = serializers.CharField(
        max_length=20_000,
        required=False,
        allow_blank=True,
        default="",
        help_text="of a preview: executed exactly so, or refused",
    )
    comment = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["type"] == "market" and attrs["price"] is not None:
            raise serializers.ValidationError(
                {"price": serializers.ErrorDetail("A market order has none.", "price_not_allowed")}
            )
        if attrs["type"] != "market" and attrs["price"] is None:
            raise serializers.ValidationError(
                {"price": serializers.ErrorDetail("A limit or stop has one.", "price_required")}
            )
        is_stop_limit = attrs["type"] == "stop_limit"
        if is_stop_limit != (attrs["limit_price"] is not None):
            code = "limit_price_required" if is_stop_limit else "limit_price_not_allowed"
            raise serializers.ValidationError(
                {"limit_price": serializers.ErrorDetail("A stop-limit alone has one.", code)}
            )
        return attrs


class CloseBlockRequest(StrictSerializer):
    """Lots, or a fraction above 0 and at most 1 of what is open; neither: all of it."""

    lots = PositiveDecimal(required=False, allow_null=True, default=None)
    fraction = PositiveDecimal(required=False, allow_null=True, default=None)


class CloseByRequest(StrictSerializer):
    other_block_id = serializers.UUIDField(help_text="an open block of the opposite side")


class ReverseBlockRequest(StrictSerializer):
    """Without lots: as much as is closed."""

    lots = PositiveDecimal(required=False, allow_null=True, default=None)
    stop_loss = PositiveDecimal(required=False, allow_null=True, default=None)
    take_profit = PositiveDecimal(required=False, allow_null=True, default=None)
    trailing_distance = PositiveDecimal(required=False, allow_null=True, default=None)
    trailing_step = PositiveDecimal(required=False, allow_null=True, default=None)


class AmendBlockRequest(StrictSerializer):
    """What is not named stays; a stop_loss, take_profit or trailing_distance of "0" removes it."""

    price = PositiveDecimal(required=False, allow_null=True, default=None)
    limit_price = PositiveDecimal(required=False, allow_null=True, default=None)
    lots = PositiveDecimal(required=False, allow_null=True, default=None)
    stop_loss = LotsField(required=False, allow_null=True, default=None)
    take_profit = LotsField(required=False, allow_null=True, default=None)
    trailing_distance = LotsField(required=False, allow_null=True, default=None)
    trailing_step = PositiveDecimal(required=False, allow_null=True, default=None)


class SymbolRequest(StrictSerializer):
    symbol = serializers.RegexField(
        r"^[A-Za-z0-9#._\-]{1,32}$", max_length=32, required=False, allow_null=True, default=None
    )


class RuleRequest(StrictSerializer):
    """The rule's options and the terms of links that have none of their own."""

    rule = serializers.DictField()
    defaults = serializers.DictField(required=False, default=dict)


class TermsRequest(StrictSerializer):
    """parameter, lots, max_order_lots, max_open_lots, max_symbol_lots, symbols, max_leverage."""

    terms = serializers.DictField()


class LinkStatusRequest(StrictSerializer):
    status = serializers.ChoiceField(["active", "paused", "close_only"])


class BookLimitsRequest(StrictSerializer):
    """docs/risk.md names the limits; what is left out is none."""

    scope = serializers.ChoiceField(["master", "every_account"])
    protection = serializers.DictField()


class LimitsRequest(StrictSerializer):
    protection = serializers.DictField()


class HardStopRequest(StrictSerializer):
    token = serializers.CharField(max_length=4_000, help_text="of the preview")


class PauseRequest(StrictSerializer):
    paused = serializers.BooleanField()


class NothingRequest(StrictSerializer):
    pass


class CancelBlockRequest(StrictSerializer):
    pass


class ErrorAnswer(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField()
    details = serializers.DictField()
    request_id = serializers.CharField()


class BookCommandAnswer(serializers.Serializer[Any]):
    """What the book committed. `seq` is the journal record that holds it."""

    command_id = serializers.UUIDField()
    status = serializers.CharField()
    seq = serializers.IntegerField()
    blocks = serializers.IntegerField(allow_null=True, help_text="how many blocks it concerns")


class CommandAnswer(serializers.Serializer[Any]):
    """What the book committed. `seq` is the journal record that holds it."""

    command_id = serializers.UUIDField()
    block_id = serializers.UUIDField()
    status = serializers.CharField()
    seq = serializers.IntegerField()
    lots = serializers.CharField(allow_null=True, help_text="what was sent to the market")
    residual_lots = serializers.CharField(allow_null=True, help_text="asked for, not allocated")
    accounts = serializers.IntegerField(allow_null=True)


class HardStopAnswer(serializers.Serializer[Any]):
    """What a hard stop would close and cancel now. Money in the book's currency."""

    token = serializers.CharField(help_text="send it with the hard stop, within max_age_ms")
    blocks = serializers.IntegerField()
    tickets = serializers.IntegerField()
    pending = serializers.IntegerField(help_text="orders that would be cancelled")
    lots = serializers.DictField(child=serializers.CharField(), help_text="by symbol")
    notional = serializers.CharField()
    pnl = serializers.CharField()
    currency = serializers.CharField()
    max_age_ms = serializers.IntegerField()


class StopAnswer(serializers.Serializer[Any]):
    """A stop; account_id null: of the whole book. Money in `currency`."""

    id = serializers.UUIDField()
    account_id = serializers.UUIDField(allow_null=True)
    login = serializers.IntegerField(allow_null=True)
    reason = serializers.CharField()
    set_by = serializers.CharField()
    phase = serializers.CharField()
    attempts = serializers.IntegerField()
    equity = serializers.CharField()
    level = serializers.CharField()
    currency = serializers.CharField()
    triggered_at = serializers.DateTimeField()
    blocked_at = serializers.DateTimeField(allow_null=True)
    lifted_at = serializers.DateTimeField(allow_null=True)
    lifted_by = serializers.CharField(allow_blank=True)


class BookRiskAnswer(serializers.Serializer[Any]):
    """Limits by party, the stop that holds the book, and how many accounts are stopped."""

    master = serializers.DictField()
    every_account = serializers.DictField()
    stop = StopAnswer(allow_null=True)
    stopped_accounts = serializers.IntegerField()


class AccountRiskAnswer(serializers.Serializer[Any]):
    status = serializers.CharField(help_text="of the link")
    protections = serializers.DictField(help_text="own limits, by party")
    every_account = serializers.DictField(help_text="limits of all accounts, by party")
    stop = StopAnswer(allow_null=True)


class PreviewRowAnswer(serializers.Serializer[Any]):
    account_id = serializers.UUIDField()
    login = serializers.IntegerField()
    equity = serializers.CharField()
    currency = serializers.CharField()
    requested_lots = serializers.CharField()
    lots = serializers.CharField()
    reason = serializers.CharField()


class PreviewAnswer(serializers.Serializer[Any]):
    symbol = serializers.CharField()
    side = serializers.CharField()
    requested_lots = serializers.CharField()
    lots = serializers.CharField()
    residual_lots = serializers.CharField()
    bid = serializers.CharField()
    ask = serializers.CharField()
    quote_at = serializers.DateTimeField()
    token = serializers.CharField(help_text="place the block with it to get exactly this")
    tolerance_points = serializers.IntegerField()
    max_age_ms = serializers.IntegerField()
    rows = PreviewRowAnswer(many=True)


class BookAnswer(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id")
    name = serializers.CharField()
    currency = serializers.CharField(source="account.currency")
    is_active = serializers.BooleanField()
    rule = serializers.JSONField()
    sub_accounts = serializers.IntegerField()


class RoundingAnswer(serializers.Serializer[Any]):
    """What the house account gained (above zero) or paid, all orders of the symbol together."""

    symbol = serializers.CharField()
    currency = serializers.CharField(help_text="the symbol's profit currency")
    amount = serializers.SerializerMethodField()

    def get_amount(self, row: Rounding) -> str:
        return f"{row.amount.normalize():f}"


class BlockAnswer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    book_id = serializers.UUIDField()
    symbol = serializers.CharField()
    side = serializers.SerializerMethodField()
    type = serializers.CharField()
    state = serializers.CharField()
    requested_lots = serializers.SerializerMethodField()
    lots = serializers.SerializerMethodField()
    filled_lots = serializers.SerializerMethodField()
    open_lots = serializers.SerializerMethodField()
    residual_lots = serializers.SerializerMethodField()
    price = serializers.SerializerMethodField(help_text="of a limit or stop; the stop")
    limit_price = serializers.SerializerMethodField(help_text="of a limit or stop_limit")
    stop_loss = serializers.SerializerMethodField()
    take_profit = serializers.SerializerMethodField()
    trailing_distance = serializers.SerializerMethodField()
    trailing_step = serializers.SerializerMethodField()
    expires_at = serializers.DateTimeField(allow_null=True)
    open_price = serializers.SerializerMethodField()
    close_price = serializers.SerializerMethodField()
    origin = serializers.CharField(
        help_text="empty; outside: by an EA or a terminal; reverse; late: filled after its end;"
        " join: taken over of parent_id"
    )
    parent_id = serializers.UUIDField(allow_null=True)
    reject_code = serializers.CharField()
    placed_at = serializers.DateTimeField()
    opened_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)
    seq = serializers.IntegerField()

    def get_side(self, block: Block) -> str:
        return side_name(block.side)

    def get_requested_lots(self, block: Block) -> str:
        return lots_text(block.requested_steps, block.volume_step)

    def get_lots(self, block: Block) -> str:
        return lots_text(block.volume_steps, block.volume_step)

    def get_filled_lots(self, block: Block) -> str:
        return lots_text(block.filled_steps, block.volume_step)

    def get_open_lots(self, block: Block) -> str:
        return lots_text(block.open_steps, block.volume_step)

    def get_residual_lots(self, block: Block) -> str:
        return lots_text(block.residual_steps, block.volume_step)

    def get_price(self, block: Block) -> str | None:
        return price_text(block.limit_price, block.digits)

    def get_limit_price(self, block: Block) -> str | None:
        is_stop_limit = block.type == Block.Type.STOP_LIMIT
        limit = block.stop_limit_price if is_stop_limit else block.limit_price
        return price_text(limit, block.digits)

    def get_trailing_distance(self, block: Block) -> str | None:
        return price_text(block.trailing_distance, block.digits)

    def get_trailing_step(self, block: Block) -> str | None:
        return price_text(block.trailing_step, block.digits)

    def get_stop_loss(self, block: Block) -> str | None:
        return price_text(block.stop_loss, block.digits)

    def get_take_profit(self, block: Block) -> str | None:
        return price_text(block.take_profit, block.digits)

    def get_open_price(self, block: Block) -> str | None:
        return price_text(block.open_price, block.digits)

    def get_close_price(self, block: Block) -> str | None:
        return price_text(block.close_price, block.digits)


class AllocationAnswer(serializers.Serializer[Any]):
    account_id = serializers.UUIDField()
    login = serializers.IntegerField()
    requested_lots = serializers.CharField()
    lots = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
    leg_status = serializers.CharField(
        allow_blank=True, help_text="waiting, sent, filled, failed; blank: of the one order"
    )
    leg_code = serializers.CharField(allow_blank=True, help_text="why it failed, or a note")
    slippage_points = serializers.IntegerField(
        allow_null=True, help_text="of the account's own order; positive is worse for it"
    )


class TicketAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    account_id = serializers.UUIDField()
    login = serializers.IntegerField()
    symbol = serializers.CharField()
    side = serializers.CharField()
    lots = serializers.CharField()
    open_lots = serializers.CharField()
    open_price = serializers.CharField()
    close_price = serializers.CharField(allow_null=True)
    realised = serializers.CharField()
    currency = serializers.CharField()
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    released_at = serializers.DateTimeField(
        allow_null=True, help_text="since then in its account's own care"
    )


class _Page(serializers.Serializer[Any]):
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class BlockPage(_Page):
    results = BlockAnswer(many=True)


class StopPage(_Page):
    results = StopAnswer(many=True)


class AllocationPage(_Page):
    results = AllocationAnswer(many=True)


class TicketPage(_Page):
    results = TicketAnswer(many=True)


READ_ERRORS = dict.fromkeys((401, 403, 404, 429), ErrorAnswer)
COMMAND_ERRORS = dict.fromkeys((400, 401, 403, 404, 409, 413, 422, 429, 503, 504), ErrorAnswer)


def side_name(side: int) -> str:
    return "buy" if side > 0 else "sell"


def lots_text(steps: int, step: Decimal) -> str:
    """Steps as lots, with the digits of the step: 99 of 0.01 is "0.99"."""
    exponent = step.normalize().as_tuple().exponent
    digits = max(0, -exponent) if isinstance(exponent, int) else 0
    return f"{steps * step:.{digits}f}"


def price_text(price: Any, digits: int) -> str | None:
    """A price with the symbol's digits."""
    return None if price is None else f"{price:.{digits}f}"
