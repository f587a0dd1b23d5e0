"""The portfolio: accounts with live figures, the equity curve, open tickets."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.accounts.access import accounts_of, require_role
from apps.accounts.models import Role, TradingAccount
from apps.allocation.models import CashFlow
from apps.allocation.selectors.accounts import (
    Curve,
    equity_curve,
    flows_of,
    open_tickets,
    states_of,
)
from apps.billing.selectors.people import accruals
from apps.portals.investor.accounts import OwnAccount, own_accounts
from apps.portals.investor.page import investor, page, slug, zone
from apps.portals.investor.tickets import TicketRow, ticket_rows
from tenants.figures import currency_digits

RANGES = {"1D": timedelta(days=1), "7D": timedelta(days=7), "30D": timedelta(days=30), "all": None}
MARKED_FLOWS = (CashFlow.Kind.DEPOSIT, CashFlow.Kind.WITHDRAWAL, CashFlow.Kind.FEE)


@require_safe
@require_role(Role.INVESTOR)
def overview(request: HttpRequest) -> HttpResponse:
    """GET ?account=ID: the chosen account in full (the first one else), all others in a table."""
    own = own_accounts(investor(request), slug())
    chosen = _chosen(own, request.GET.get("account"))
    accrual = None
    if chosen and chosen.link and chosen.follows:
        due = accruals([chosen.link], timezone.now(), zone(request))
        accrual = due.get(chosen.link.id)
    ages = [one.figures.at_ms for one in own if one.figures and one.follows]
    context = page(
        "overview",
        own=own,
        chosen=chosen,
        accrual=accrual,
        ranges=list(RANGES),
        rows=_open_rows(chosen),
        oldest_ms=min(ages) if ages else None,
        live=any(one.follows for one in own),
    )
    return render(request, "investor/overview.html", context)


@require_safe
@require_role(Role.INVESTOR)
def tickets(request: HttpRequest) -> HttpResponse:
    """GET ?account=ID: the table of open tickets alone, fetched when the record has moved."""
    account = _own_or_404(request, request.GET.get("account", ""))
    rows = ticket_rows(open_tickets([account.id]), [account])
    return render(request, "investor/_tickets.html", {"rows": rows})


@require_safe
@require_role(Role.INVESTOR)
def curve(request: HttpRequest, account_id: UUID) -> JsonResponse:
    """GET ?range=1D|7D|30D|all: {at_s, balance, equity, flows: [{at_s, kind, amount}], …}.

    Money in minor units of `currency`. An unknown range is 400 `range_unknown`.
    """
    account = get_object_or_404(accounts_of(investor(request)), public_id=account_id)
    name = request.GET.get("range", "7D")
    if name not in RANGES:
        error = {"code": "range_unknown", "message": "range is 1D, 7D, 30D or all"}
        return JsonResponse({"error": error}, status=400)
    until, span = timezone.now(), RANGES[name]
    since = until - span if span else None
    points = equity_curve(account.id, since, until)
    _end_flat(points, account, until)
    flows = flows_of(account.id, since, until).filter(kind__in=MARKED_FLOWS)
    return JsonResponse(
        {
            "currency": account.currency,
            "digits": currency_digits(account.currency),
            "at_s": points.at_s,
            "balance": points.balance_minor,
            "equity": points.equity_minor,
            "flows": [
                {
                    "at_s": int(flow.at.timestamp()),
                    "kind": flow.kind,
                    "label": str(flow.get_kind_display()),
                    "amount": flow.amount_minor,
                }
                for flow in flows
            ],
        },
        headers={"Cache-Control": "private, no-store"},
    )


def _end_flat(points: Curve, account: TradingAccount, until: datetime) -> None:
    """Without open tickets the equity is the balance, and the curve ends at it."""
    state = states_of([account.id]).get(account.id)
    if state is None or not points.at_s or open_tickets([account.id]).exists():
        return
    end_s = int(until.timestamp())
    if points.at_s[-1] < end_s:
        points.at_s.append(end_s)
        points.balance_minor.append(state.balance_minor)
        points.equity_minor.append(state.balance_minor)


def _chosen(own: list[OwnAccount], wanted: str | None) -> OwnAccount | None:
    """The account asked for; 404 when it is not the reader's."""
    if wanted is None:
        return own[0] if own else None
    for one in own:
        if one.key == wanted:
            return one
    raise Http404


def _open_rows(chosen: OwnAccount | None) -> list[TicketRow]:
    if chosen is None:
        return []
    return ticket_rows(open_tickets([chosen.account.id]), [chosen.account])


def _own_or_404(request: HttpRequest, wanted: str) -> TradingAccount:
    try:
        public_id = UUID(wanted)
    except ValueError:
        raise Http404 from None
    return get_object_or_404(accounts_of(investor(request)), public_id=public_id)
