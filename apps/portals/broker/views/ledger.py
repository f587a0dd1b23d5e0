"""The ledger: trial balance by currency, the lines of one account, both as CSV."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from apps.accounts.access import require_role
from apps.billing.models import LedgerAccount, Line
from apps.billing.selectors.ledger import (
    balance_of,
    currencies,
    lines_of,
    total_of,
    trial_balance,
)
from apps.portals.broker.ledger_names import names
from apps.portals.broker.page import STAFF, context
from apps.portals.csv_cells import amount_cell, table_response

PER_PAGE = 100
BALANCES = ("account", "name", "type", "currency", "debit", "credit", "balance")
SUMS = ("debit_minor", "credit_minor", "balance_minor")
LINES = ("at_utc", "entry", "memo", "currency", "debit", "credit", "balance")


@require_safe
@require_role(*STAFF)
def ledger(request: HttpRequest) -> HttpResponse:
    """GET /office/ledger/?currency=: the trial balance; the first currency when none is named."""
    known = currencies()
    asked = request.GET.get("currency", "")
    currency = asked if asked in known else (known[0] if known else "")
    page = Paginator(trial_balance(currency), PER_PAGE).get_page(request.GET.get("page"))
    shown = list(page.object_list)
    named = names(shown)
    return render(
        request,
        "office/ledger.html",
        context(
            request,
            "broker:ledger",
            currencies=known,
            currency=currency,
            page=page,
            rows=[(row, named[row.pk]) for row in shown],
            total=total_of(currency),
            query=f"currency={currency}&",
        ),
    )


@require_safe
@require_role(*STAFF)
def balances_csv(request: HttpRequest, currency: str) -> HttpResponseBase:
    """GET the trial balance with its total row."""
    rows = list(trial_balance(currency))
    named, total = names(rows), total_of(currency)
    lines = [
        [
            row.code,
            named[row.pk],
            row.type,
            currency,
            *_amounts(currency, *(getattr(row, name) for name in SUMS)),
        ]
        for row in rows
    ]
    figures = _amounts(currency, total.debit_minor, total.credit_minor, total.balance_minor)
    return table_response(
        request, "trial-balance", BALANCES, [*lines, ["total", "", "", currency, *figures]]
    )


@require_safe
@require_role(*STAFF)
def account(request: HttpRequest, currency: str, code: str) -> HttpResponse:
    """GET one account's lines, newest first."""
    found = get_object_or_404(LedgerAccount, currency=currency, code=code)
    return render(
        request,
        "office/ledger_account.html",
        context(
            request,
            "broker:ledger",
            account=found,
            name=names([found])[found.pk],
            page=Paginator(lines_of(found), PER_PAGE).get_page(request.GET.get("page")),
            total=balance_of(found),
        ),
    )


@require_safe
@require_role(*STAFF)
def lines_csv(request: HttpRequest, currency: str, code: str) -> HttpResponseBase:
    """GET all lines of one account."""
    found = get_object_or_404(LedgerAccount, currency=currency, code=code)
    rows = (_line(line) for line in lines_of(found))
    return table_response(request, f"ledger-{currency}", LINES, rows)


def _line(line: Line) -> list[str]:
    debit, credit = max(line.amount_minor, 0), max(-line.amount_minor, 0)
    return [
        line.entry.at.isoformat(timespec="seconds"),
        line.entry.key,
        line.entry.memo,
        line.currency,
        *_amounts(line.currency, debit, credit, getattr(line, "running_minor", 0)),
    ]


def _amounts(currency: str, *minor: int) -> list[str]:
    return [amount_cell(int(one), currency) for one in minor]
