"""GET: fees charged, and what would be charged today."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.access import links_of, masters_of
from apps.accounts.models import Link, User
from apps.api.base import ApiView, Cursor, user_from
from apps.api.reads import PAGING
from apps.api.serializers import READ_ERRORS
from apps.billing.broker import broker_now
from apps.billing.models import FeeCharge
from apps.billing.selectors.people import accruals
from apps.core.money import digits_of, from_minor

MOST = 500  # links computed for one answer


class FeeAnswer(serializers.Serializer[object]):
    """One charge. Amounts are decimal strings of `currency`."""

    id = serializers.UUIDField()
    account_id = serializers.UUIDField()
    login = serializers.IntegerField()
    book_id = serializers.UUIDField()
    period = serializers.CharField()
    kind = serializers.CharField()
    window_from = serializers.DateTimeField()
    window_to = serializers.DateTimeField()
    currency = serializers.CharField()
    amount = serializers.CharField()
    collected = serializers.CharField()
    state = serializers.CharField()


class FeePage(serializers.Serializer[object]):
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = FeeAnswer(many=True)


class AccrualItem(serializers.Serializer[object]):
    kind = serializers.CharField()
    amount = serializers.CharField()


class AccrualAnswer(serializers.Serializer[object]):
    """If every running period ended now. `high_water_mark` is null where gains bear no fee."""

    account_id = serializers.UUIDField()
    login = serializers.IntegerField()
    book_id = serializers.UUIDField()
    currency = serializers.CharField()
    since = serializers.DateTimeField()
    marked_at = serializers.DateTimeField()
    equity = serializers.CharField()
    high_water_mark = serializers.CharField(allow_null=True)
    fees = serializers.CharField()
    items = AccrualItem(many=True)


def visible_links(user: User) -> QuerySet[Link]:
    """The user's own mandates, and those behind the masters the user trades or oversees."""
    own = Q(pk__in=links_of(user).values("pk"))
    managed = Q(master__in=masters_of(user).values("pk"))
    return Link.objects.filter(own | managed).select_related("account", "master")


class FeesView(ApiView):
    @extend_schema(
        operation_id="list_fees", parameters=PAGING, responses={200: FeePage, **READ_ERRORS},
        tags=["fees"],
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Fees charged, the latest first."""
        links = visible_links(user_from(request))
        charges = FeeCharge.objects.filter(link__in=links).select_related(
            "run", "link__account", "link__master"
        )
        pages = Cursor()
        pages.ordering = "-id"
        shown = [_charge(row) for row in pages.paginate_queryset(charges, request) or []]
        return pages.get_paginated_response(FeeAnswer(shown, many=True).data)


class AccrualsView(ApiView):
    @extend_schema(
        operation_id="list_accruals",
        responses={200: AccrualAnswer(many=True), **READ_ERRORS},
        tags=["fees"],
    )
    def get(self, request: Request) -> Response:
        """What would be charged if every running period ended now, of at most 500 accounts."""
        links = list(visible_links(user_from(request)).exclude(status=Link.Status.DETACHED)[:MOST])
        due = accruals(links, timezone.now(), ZoneInfo(broker_now().time_zone))
        shown = []
        for link in links:
            charge = due.get(link.pk)
            if charge is None:
                continue
            currency, window = charge.window.currency, charge.window
            mark = charge.steps[-1].before if charge.steps else None
            shown.append(
                {
                    "account_id": link.account.public_id,
                    "login": link.account.login,
                    "book_id": link.master.public_id,
                    "currency": currency,
                    "since": window.starts_at,
                    "marked_at": window.closing.at,
                    "equity": _amount(charge.figures.equity_minor, currency),
                    "high_water_mark": None
                    if mark is None
                    else f"{mark.scaleb(-digits_of(currency)).normalize():f}",
                    "fees": _amount(charge.figures.fees_minor, currency),
                    "items": [
                        {"kind": item.kind, "amount": _amount(item.amount_minor, currency)}
                        for item in charge.items
                    ],
                }
            )
        return Response(AccrualAnswer(shown, many=True).data)


def _charge(row: FeeCharge) -> dict[str, object]:
    return {
        "id": row.public_id,
        "account_id": row.link.account.public_id,
        "login": row.link.account.login,
        "book_id": row.link.master.public_id,
        "period": row.run.key,
        "kind": row.kind,
        "window_from": row.window_from,
        "window_to": row.window_to,
        "currency": row.currency,
        "amount": _amount(row.amount_minor, row.currency),
        "collected": _amount(row.collected_minor, row.currency),
        "state": row.state,
    }


def _amount(minor: int, currency: str) -> str:
    return f"{from_minor(minor, digits_of(currency)):f}"
