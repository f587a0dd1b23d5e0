"""Closed tickets: paged, filtered, exported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.access import accounts_of, require_role
from apps.accounts.models import Role, TradingAccount
from apps.allocation.models import Ticket
from apps.allocation.selectors.accounts import (
    closed_tickets,
    digits_of,
    realised_by_account,
    symbols_traded,
)
from apps.portals.csv_cells import csv_response
from apps.portals.investor.forms import HistoryFilter
from apps.portals.investor.page import investor, page
from apps.portals.investor.tickets import ticket_rows
from tenants.figures import currency_digits

PAGE_ROWS = 50
EXPORT_ROWS = 100_000
COLUMNS = (
    "ticket", "account", "symbol", "side", "lots", "opened_utc", "open_price", "closed_utc",
    "close_price", "profit", "currency",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    form: HistoryFilter
    accounts: list[TradingAccount]
    tickets: QuerySet[Ticket]


@require_safe
@require_role(Role.INVESTOR)
def history(request: HttpRequest) -> HttpResponse:
    """GET ?account=&symbol=&since=&until=&page="""
    return _page(request, _asked(request))


def _page(request: HttpRequest, asked: Asked) -> HttpResponse:
    found = Paginator(asked.tickets, PAGE_ROWS).get_page(request.GET.get("page"))
    totals = realised_by_account(asked.tickets)
    query = request.GET.copy()
    query.pop("page", None)
    context = page(
        "history",
        form=asked.form,
        page=found,
        rows=ticket_rows(found.object_list, asked.accounts),
        totals=[(one, totals[one.id]) for one in asked.accounts if one.id in totals],
        query=query.urlencode() + "&" if query else "",
        several=len(asked.accounts) > 1,
    )
    return render(request, "investor/history.html", context, status=_status(asked))


@require_safe
@require_role(Role.INVESTOR)
def export(request: HttpRequest) -> HttpResponse:
    """The same filter as CSV, the last EXPORT_ROWS at most. A wrong filter: the page."""
    asked = _asked(request)
    if _status(asked) != HTTPStatus.OK:
        return _page(request, asked)
    return csv_response("tickets", COLUMNS, _rows(asked))


def _asked(request: HttpRequest) -> Asked:
    accounts = list(accounts_of(investor(request)).order_by("id"))
    ids = [account.id for account in accounts]
    form = HistoryFilter(request.GET or None, accounts=accounts, symbols=symbols_traded(ids))
    if not form.is_bound:
        return Asked(form, accounts, closed_tickets(ids))
    if not form.is_valid():
        return Asked(form, accounts, Ticket.objects.none())
    wanted = form.cleaned_data
    if wanted["account"]:
        ids = [one.id for one in accounts if str(one.public_id) == wanted["account"]]
    tickets = closed_tickets(
        ids, symbol=wanted["symbol"], since=wanted["since"], until=wanted["until"]
    )
    return Asked(form, accounts, tickets)


def _status(asked: Asked) -> int:
    wrong = asked.form.is_bound and not asked.form.is_valid()
    return HTTPStatus.BAD_REQUEST if wrong else HTTPStatus.OK


def _rows(asked: Asked) -> Iterator[list[str]]:
    accounts = {account.id: account for account in asked.accounts}
    digits = digits_of(account.server_id for account in accounts.values())
    for ticket in asked.tickets[:EXPORT_ROWS]:
        account = accounts[ticket.account_id]
        places = digits.get((account.server_id, ticket.symbol), 5)
        yield _cells(ticket, account, places)


def _cells(ticket: Ticket, account: TradingAccount, places: int) -> list[str]:
    close = ticket.close_price
    money = Decimal(ticket.realised_minor).scaleb(-currency_digits(account.currency))
    return [
        str(ticket.id),
        str(account.login),
        ticket.symbol,
        "buy" if ticket.side > 0 else "sell",
        f"{(ticket.steps * ticket.volume_step).normalize():f}",
        f"{ticket.opened_at:%Y-%m-%d %H:%M:%S}",
        f"{ticket.open_price:.{places}f}",
        f"{ticket.closed_at:%Y-%m-%d %H:%M:%S}" if ticket.closed_at else "",
        f"{close:.{places}f}" if close is not None else "",
        f"{money:f}",
        account.currency,
    ]
