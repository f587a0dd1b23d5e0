"""The order ticket: what every account would get, and the order itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from apps.accounts.access import require_role
from apps.accounts.models import Role, TradingAccount
from apps.allocation.selectors import books
from apps.core.book.commands import PlaceBlock
from apps.core.errors import InputError, ProrataError, UnknownOutcomeError
from apps.engine import client
from apps.engine.messages import Outcome, Preview
from apps.portals.manager import dialogs
from apps.portals.manager.book import Desk, trading_desk_of
from apps.portals.manager.forms import TicketForm
from apps.portals.manager.reasons import code_of, text_of

PREVIEW_ROWS = 250


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """One account in the preview, in words. `by_hand`: the lots typed for it, or empty."""

    login: int
    currency: str
    equity_minor: int
    requested_steps: int
    steps: int
    reason: Any
    is_plain: bool
    by_hand: str


@require_POST
@require_role(Role.MANAGER)
def preview(request: HttpRequest, book_id: UUID) -> HttpResponse:
    """Dialog: what every account would get now. Nothing is written or reserved."""
    desk = trading_desk_of(request, book_id)
    form = TicketForm(request.POST, symbols=desk.symbols())
    if form.is_valid():
        try:
            shown = client.preview(desk.broker, desk.book_id, _command(desk, form))
        except ProrataError as error:
            form.refuse(error)
        else:
            return _preview_dialog(request, desk, form, shown)
    answer = _ticket(request, desk, form, status=dialogs.INVALID)
    answer["HX-Retarget"] = "#ticket"
    answer["HX-Reswap"] = "outerHTML"
    return answer


def _command(desk: Desk, form: TicketForm) -> PlaceBlock:
    """Raises InputError `manual_invalid` for a login that is not of this book."""
    wanted = set(form.cleaned_data["manual"])
    found = books.members_of(desk.master).filter(account__login__in=wanted) if wanted else []
    accounts = {link.account.login: link.account_id for link in found}
    unknown = sorted(wanted - accounts.keys())
    if unknown:
        text = _("No account %(login)s follows this master.") % {"login": unknown[0]}
        raise InputError("manual_invalid", text, field="manual")
    return form.command(desk, accounts)


def _preview_dialog(
    request: HttpRequest, desk: Desk, form: TicketForm, shown: Preview
) -> HttpResponse:
    pages = max(1, -(-len(shown.rows) // PREVIEW_ROWS))
    wanted = request.POST.get("page", "1")
    number = min(pages, max(1, int(wanted))) if wanted.isdecimal() else 1
    rows = sorted(shown.rows, key=lambda row: (-row.steps, row.account_id))
    counts = Counter(code_of(row.reason) for row in shown.rows if row.reason)
    manual = form.cleaned_data["manual"]
    context = {
        "desk": desk,
        "form": form,
        "shown": shown,
        "seconds": shown.max_age_ms // 1000,
        "lines": _lines(rows[(number - 1) * PREVIEW_ROWS : number * PREVIEW_ROWS], manual),
        "reasons": [(text_of(code), count) for code, count in counts.most_common()],
        "accounts": sum(1 for row in shown.rows if row.steps),
        "by_hand": len(manual),
        "number": number,
        "pages": pages,
        "previous": number - 1,
        "next": number + 1 if number < pages else 0,
    }
    return render(request, "manager/_preview.html", context)


def _lines(rows: list[Any], manual: dict[int, Decimal]) -> list[PreviewLine]:
    accounts = TradingAccount.objects.in_bulk([row.account_id for row in rows])
    return [
        PreviewLine(
            login=accounts[row.account_id].login,
            currency=accounts[row.account_id].currency,
            equity_minor=row.equity_minor,
            requested_steps=row.requested_steps,
            steps=row.steps,
            reason=text_of(code_of(row.reason)),
            is_plain=row.reason == 0,
            by_hand=str(manual.get(accounts[row.account_id].login, "")),
        )
        for row in rows
        if row.account_id in accounts
    ]


@require_POST
@require_role(Role.MANAGER)
def place(request: HttpRequest, book_id: UUID) -> HttpResponse:
    """Place the ticket's block; the ticket comes back, ready for the next order."""
    desk = trading_desk_of(request, book_id)
    form = TicketForm(request.POST, symbols=desk.symbols())
    if not form.is_valid():
        return _ticket(request, desk, form, status=dialogs.INVALID)
    try:
        outcome = client.execute(desk.broker, desk.book_id, _command(desk, form))
    except UnknownOutcomeError as error:
        return _ticket(request, desk, form, unknown=error, status=error.status)
    except ProrataError as error:
        dialogs.refuse(form, error)
        return _ticket(request, desk, form, status=dialogs.shown_status(error))
    form.renew()
    form.data = {**form.data, "manual": ""}  # lots by hand are of one order
    return _ticket(request, desk, form, outcome=outcome)


def _ticket(
    request: HttpRequest,
    desk: Desk,
    form: TicketForm,
    *,
    outcome: Outcome | None = None,
    unknown: UnknownOutcomeError | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "desk": desk,
        "ticket": form,
        "outcome": outcome,
        "volume_step": _step_of(desk, form.data.get("symbol", "")),
        "unknown": unknown,
    }
    return render(request, "manager/_ticket.html", context, status=status)


def _step_of(desk: Desk, name: str) -> Decimal:
    return next((one.volume_step for one in desk.symbols() if one.name == name), Decimal("0.01"))
