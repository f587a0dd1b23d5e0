"""Shapes of requests and answers about links. Lots, prices and money are decimal strings."""

from __future__ import annotations

from typing import Any, get_args

from rest_framework import serializers

from apps.api.fields import PositiveDecimal
from apps.api.serializers import StrictSerializer
from apps.core.book.commands import DetachMode, JoinMode, LeaveMode

MOST_ACCOUNTS = 20_000
MOST_TICKETS = 1_000


class LinkRequest(StrictSerializer):
    account_id = serializers.UUIDField()
    mode = serializers.ChoiceField(get_args(JoinMode), default="new_trades_only")
    terms = serializers.DictField(required=False, default=dict)
    token = serializers.CharField(
        max_length=20_000,
        required=False,
        allow_blank=True,
        default="",
        help_text="of a quote: executed exactly so, or refused",
    )


class LinkQuoteRequest(StrictSerializer):
    account_id = serializers.UUIDField()
    mode = serializers.ChoiceField(["proportional_at_market", "only_losing"])
    terms = serializers.DictField(required=False, default=dict)


class BulkLinkRequest(StrictSerializer):
    """Without account_ids: every account that is invited to this master."""

    account_ids = serializers.ListField(
        child=serializers.UUIDField(), max_length=MOST_ACCOUNTS, required=False, default=list
    )
    mode = serializers.ChoiceField(["new_trades_only", "when_flat"], default="new_trades_only")


class LeaveRequest(StrictSerializer):
    mode = serializers.ChoiceField(get_args(LeaveMode), default="close_at_market")


class DetachRequest(StrictSerializer):
    """Without ticket_ids: all that the account has open."""

    ticket_ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1),
        max_length=MOST_TICKETS,
        required=False,
        default=list,
    )
    mode = serializers.ChoiceField(get_args(DetachMode), default="close_at_market")


class MoneyRequest(StrictSerializer):
    kind = serializers.ChoiceField(["deposit", "withdrawal"])
    amount = PositiveDecimal()


class JoinShareAnswer(serializers.Serializer[Any]):
    parent_id = serializers.UUIDField()
    block_id = serializers.UUIDField(allow_null=True)
    lots = serializers.CharField()
    code = serializers.CharField(allow_blank=True)


class LinkAnswer(serializers.Serializer[Any]):
    """What the book committed. `seq` is the journal record that holds it."""

    command_id = serializers.UUIDField()
    account_id = serializers.UUIDField()
    status = serializers.CharField()
    seq = serializers.IntegerField()
    shares = JoinShareAnswer(many=True)
    tickets = serializers.IntegerField(help_text="how many tickets are closed or released")


class RefusedLink(serializers.Serializer[Any]):
    account_id = serializers.UUIDField()
    code = serializers.CharField()


class BulkLinkAnswer(serializers.Serializer[Any]):
    """`refused`: at most 100 of them are named."""

    command_id = serializers.UUIDField()
    status = serializers.CharField()
    seq = serializers.IntegerField()
    linked = serializers.IntegerField()
    refused_count = serializers.IntegerField()
    refused = RefusedLink(many=True)


class JoinRowAnswer(serializers.Serializer[Any]):
    parent_id = serializers.UUIDField()
    symbol = serializers.CharField()
    side = serializers.CharField()
    lots = serializers.CharField()
    price = serializers.CharField()
    parent_price = serializers.CharField(help_text="what the group opened at")
    spread_cost = serializers.CharField()
    margin = serializers.CharField()
    code = serializers.CharField(allow_blank=True)


class LinkQuoteAnswer(serializers.Serializer[Any]):
    """What joining would take over now and cost, in the account's currency."""

    account_id = serializers.UUIDField()
    mode = serializers.CharField()
    currency = serializers.CharField()
    equity = serializers.CharField()
    free = serializers.CharField()
    spread_cost = serializers.CharField()
    commission = serializers.CharField()
    margin = serializers.CharField()
    token = serializers.CharField(help_text="join with it to get exactly this")
    max_age_ms = serializers.IntegerField()
    rows = JoinRowAnswer(many=True)


class MoneyAnswer(serializers.Serializer[Any]):
    command_id = serializers.UUIDField()
    status = serializers.CharField(help_text="done or rejected, as the trading server answered")
    seq = serializers.IntegerField()
    amount = serializers.CharField(help_text="signed")
    balance = serializers.CharField()
    currency = serializers.CharField()
    code = serializers.CharField(allow_blank=True)
