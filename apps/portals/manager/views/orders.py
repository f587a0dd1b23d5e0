"""What the manager orders: preview, place, close, cancel.

A refusal is recorded by the book under its command id, so the form that comes back carries a new
one; an *unknown* outcome keeps the id, and asking again with it can only do the thing once.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.access import require_role
from apps.accounts.models import Role, TradingAccount
from apps.allocation.models import Block
from apps.allocation.selectors import books
from apps.core.book.commands import CancelBlock
from apps.core.errors import NotFoundError, ProrataError, UnavailableError, UnknownOutcomeError
from apps.engine import client
from apps.engine.messages import BlockView, Frame, Outcome, Preview
from apps.portals.manager.book import Desk, trading_desk_of
from apps.portals.manager.forms import CancelForm, CloseForm, CodedForm, TicketForm
from apps.portals.manager.reasons import code_of, text_of

PREVIEW_ROWS = 250
INVALID = 422


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """One account in the preview, in words."""

    login: int
    currency: str
    equity_minor: int
    requested_steps: int
    steps: int
    reason: Any
    is_plain: bool


@require_POST
@require_role(Role.MANAGER)
def preview(request: HttpRequest, book_id: UUID) -> HttpResponse:
    """Dialog: what every account would get now. Nothing is written or reserved."""
    desk = trading_desk_of(request, book_id)
    form = TicketForm(request.POST, symbols=desk.symbols())
    if form.is_valid():
        try:
            shown = client.preview(desk.broker, desk.book_id, form.command(desk))
        except ProrataError as error:
            form.refuse(error)
        else:
            return _preview_dialog(request, desk, form, shown)
    answer = _ticket(request, desk, form, status=INVALID)
    answer["HX-Retarget"] = "#ticket"
    answer["HX-Reswap"] = "outerHTML"
    return answer


def _preview_dialog(
    request: HttpRequest, desk: Desk, form: TicketForm, shown: Preview
) -> HttpResponse:
    pages = max(1, -(-len(shown.rows) // PREVIEW_ROWS))
    wanted = request.POST.get("page", "1")
    number = min(pages, max(1, int(wanted))) if wanted.isdecimal() else 1
    rows = sorted(shown.rows, key=lambda row: (-row.steps, row.account_id))
    rows = rows[(number - 1) * PREVIEW_ROWS : number * PREVIEW_ROWS]
    accounts = TradingAccount.objects.in_bulk([row.account_id for row in rows])
    lines = [
        PreviewLine(
            login=accounts[row.account_id].login,
            currency=accounts[row.account_id].currency,
            equity_minor=row.equity_minor,
            requested_steps=row.requested_steps,
            steps=row.steps,
            reason=text_of(code_of(row.reason)),
            is_plain=row.reason == 0,
        )
        for row in rows
        if row.account_id in accounts
    ]
    counts = Counter(code_of(row.reason) for row in shown.rows if row.reason)
    context = {
        "desk": desk,
        "form": form,
        "shown": shown,
        "seconds": shown.max_age_ms // 1000,
        "lines": lines,
        "reasons": [(text_of(code), count) for code, count in counts.most_common()],
        "accounts": sum(1 for row in shown.rows if row.steps),
        "number": number,
        "pages": pages,
        "previous": number - 1,
        "next": number + 1 if number < pages else 0,
    }
    return render(request, "manager/_preview.html", context)


@require_POST
@require_role(Role.MANAGER)
def place(request: HttpRequest, book_id: UUID) -> HttpResponse:
    """Place the ticket's block; the ticket comes back, ready for the next order."""
    desk = trading_desk_of(request, book_id)
    form = TicketForm(request.POST, symbols=desk.symbols())
    if not form.is_valid():
        return _ticket(request, desk, form, status=INVALID)
    try:
        outcome = client.execute(desk.broker, desk.book_id, form.command(desk))
    except UnknownOutcomeError as error:
        return _ticket(request, desk, form, unknown=error, status=error.status)
    except ProrataError as error:
        return _refused_ticket(request, desk, form, error)
    form.renew()
    return _ticket(request, desk, form, outcome=outcome)


def _refused_ticket(
    request: HttpRequest, desk: Desk, form: TicketForm, error: ProrataError
) -> HttpResponse:
    form.refuse(error)
    if not isinstance(error, UnavailableError):  # that one never reached the book
        form.renew()
    return _ticket(request, desk, form, status=_shown(error))


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


@require_http_methods(["GET", "POST"])
@require_role(Role.MANAGER)
def close(request: HttpRequest, book_id: UUID, block_id: UUID) -> HttpResponse:
    """Dialog: close a block whole or in part, after saying how much and at what P&L."""
    desk = trading_desk_of(request, book_id)
    block = _block(desk, block_id)
    open_lots = block.open_steps * block.volume_step
    if request.method == "GET":
        form = CloseForm(
            initial={"command_id": uuid.uuid4(), "volume_lots": _lots_text(open_lots, block)}
        )
        return _close_dialog(request, desk, block, form)
    form = CloseForm(request.POST)
    if not form.is_valid():
        return _close_dialog(request, desk, block, form, status=INVALID)
    try:
        command = form.command(desk, block_id, open_lots)
        outcome = client.execute(desk.broker, desk.book_id, command)
    except UnknownOutcomeError as error:
        return _close_dialog(request, desk, block, form, unknown=error, status=error.status)
    except ProrataError as error:
        _renew_after(form, error)
        return _close_dialog(request, desk, block, form, status=_shown(error))
    lots = _lots_text(Decimal(outcome.result["order_steps"]) * block.volume_step, block)
    tickets = int(outcome.result["tickets"])
    return _done(
        ngettext(
            "Closing %(lots)s lots of %(symbol)s: sent, %(count)d ticket.",
            "Closing %(lots)s lots of %(symbol)s: sent, %(count)d tickets.",
            tickets,
        )
        % {"lots": lots, "symbol": block.symbol, "count": tickets}
    )


def _close_dialog(
    request: HttpRequest,
    desk: Desk,
    block: Block,
    form: CloseForm,
    *,
    unknown: UnknownOutcomeError | None = None,
    status: int = 200,
) -> HttpResponse:
    frame = _frame(desk)
    view = _view(frame, block.id)
    context = {
        "desk": desk,
        "block": block,
        "form": form,
        "unknown": unknown,
        "frame": frame,
        "view": view,
        "codes": form.codes() if form.is_bound else [],
    }
    return render(request, "manager/_close.html", context, status=status)


@require_http_methods(["GET", "POST"])
@require_role(Role.MANAGER)
def cancel(request: HttpRequest, book_id: UUID, block_id: UUID) -> HttpResponse:
    """Dialog: cancel a pending order."""
    desk = trading_desk_of(request, book_id)
    block = _block(desk, block_id)
    if request.method == "GET":
        form = CancelForm(initial={"command_id": uuid.uuid4()})
        return _cancel_dialog(request, desk, block, form)
    form = CancelForm(request.POST)
    if not form.is_valid():
        return _cancel_dialog(request, desk, block, form, status=INVALID)
    command = CancelBlock(
        command_id=form.cleaned_data["command_id"],
        block_id=block_id,
        placed_by=str(desk.user.public_id),
    )
    try:
        client.execute(desk.broker, desk.book_id, command)
    except UnknownOutcomeError as error:
        return _cancel_dialog(request, desk, block, form, unknown=error, status=error.status)
    except ProrataError as error:
        _renew_after(form, error)
        return _cancel_dialog(request, desk, block, form, status=_shown(error))
    return _done(_("The order in %(symbol)s is cancelled.") % {"symbol": block.symbol})


def _cancel_dialog(
    request: HttpRequest,
    desk: Desk,
    block: Block,
    form: CancelForm,
    *,
    unknown: UnknownOutcomeError | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "desk": desk,
        "block": block,
        "form": form,
        "unknown": unknown,
        "codes": form.codes() if form.is_bound else [],
    }
    return render(request, "manager/_cancel.html", context, status=status)


def _renew_after(form: CodedForm, error: ProrataError) -> None:
    form.refuse(error)
    if not isinstance(error, UnavailableError):
        form.renew()


def _done(text: str) -> HttpResponse:
    """Nothing to show in the dialog any more: desk.js closes it and says `text`."""
    answer = HttpResponse("")
    answer["HX-Trigger"] = json.dumps({"desk-done": {"text": text}})
    return answer


def _shown(error: ProrataError) -> int:
    """The status of a refusal that carries its own explanation (see static/js/requests.js)."""
    return error.status if error.status in (400, 409, 422, 503, 504) else INVALID


def _block(desk: Desk, block_id: UUID) -> Block:
    try:
        return books.block_of(desk.book_id, block_id)
    except NotFoundError:
        raise Http404 from None


def _frame(desk: Desk) -> Frame | None:
    try:
        return client.latest_frame(desk.broker, desk.book_id)
    except UnavailableError:
        return None


def _view(frame: Frame | None, block_id: UUID) -> BlockView | None:
    views = frame.blocks if frame is not None else []
    return next((view for view in views if view.block_id == block_id), None)


def _step_of(desk: Desk, name: str) -> Decimal:
    return next((one.volume_step for one in desk.symbols() if one.name == name), Decimal("0.01"))


def _lots_text(lots: Decimal, block: Block) -> str:
    """Lots with as many decimals as the step has, plain: what the form can read back."""
    places = max(0, -int(block.volume_step.normalize().as_tuple().exponent))
    return f"{lots:.{places}f}"
