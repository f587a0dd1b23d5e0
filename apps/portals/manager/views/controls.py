"""What the manager changes: a block's prices and stops; everything at once."""

from __future__ import annotations

import json
import uuid
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from apps.accounts.access import require_role
from apps.accounts.models import Role
from apps.allocation.models import Block
from apps.allocation.selectors import books
from apps.core.book.commands import CancelAll, CloseAll, Command
from apps.core.errors import NotFoundError, ProrataError, UnavailableError, UnknownOutcomeError
from apps.engine import client
from apps.engine.messages import Outcome
from apps.portals.manager.book import Desk, trading_desk_of
from apps.portals.manager.forms import AmendForm, CancelForm, CodedForm

_INVALID = 422
_SHOWN = (400, 409, 422, 503, 504)


@require_http_methods(["GET", "POST"])
@require_role(Role.MANAGER)
def amend(request: HttpRequest, book_id: UUID, block_id: UUID) -> HttpResponse:
    """Dialog: stop loss and take profit; price and volume while it is pending."""
    desk = trading_desk_of(request, book_id)
    try:
        block = books.block_of(desk.book_id, block_id)
    except NotFoundError:
        raise Http404 from None
    context: dict[str, Any] = {"desk": desk, "block": block, "is_pending": block.state == "pending"}
    if request.method == "GET":
        return _dialog(request, "_amend", AmendForm(initial=_as_it_is(block)), context)
    form = AmendForm(request.POST)
    if not form.is_valid():
        return _dialog(request, "_amend", form, context, status=_INVALID)
    answer = _execute(request, desk, form, form.command(desk, block_id), "_amend", context)
    if isinstance(answer, HttpResponse):
        return answer
    return _done(_("The order in %(symbol)s is changed.") % {"symbol": block.symbol})


def _as_it_is(block: Block) -> dict[str, Any]:
    """Price and volume stay empty: what is not named is left."""

    def text(price: Any) -> str:
        return "" if price is None else f"{price:.{block.digits}f}"

    return {
        "command_id": uuid.uuid4(),
        "stop_loss": text(block.stop_loss),
        "take_profit": text(block.take_profit),
    }


@require_http_methods(["GET", "POST"])
@require_role(Role.MANAGER)
def close_all(request: HttpRequest, book_id: UUID) -> HttpResponse:
    """Dialog: close every open block."""
    return _everything(request, book_id, CloseAll, is_closing=True)


@require_http_methods(["GET", "POST"])
@require_role(Role.MANAGER)
def cancel_all(request: HttpRequest, book_id: UUID) -> HttpResponse:
    """Dialog: cancel every pending order."""
    return _everything(request, book_id, CancelAll, is_closing=False)


def _everything(
    request: HttpRequest,
    book_id: UUID,
    kind: type[CloseAll] | type[CancelAll],
    *,
    is_closing: bool,
) -> HttpResponse:
    desk = trading_desk_of(request, book_id)
    context = {"desk": desk, "is_closing": is_closing}
    if request.method == "GET":
        form = CancelForm(initial={"command_id": uuid.uuid4()})
        return _dialog(request, "_everything", form, context)
    form = CancelForm(request.POST)
    if not form.is_valid():
        return _dialog(request, "_everything", form, context, status=_INVALID)
    command = kind(command_id=form.cleaned_data["command_id"], placed_by=str(desk.user.public_id))
    answer = _execute(request, desk, form, command, "_everything", context)
    if isinstance(answer, HttpResponse):
        return answer
    count = int(answer.result["blocks"])
    text = (
        ngettext("Closing %(count)d block.", "Closing %(count)d blocks.", count)
        if is_closing
        else ngettext("Cancelled %(count)d order.", "Cancelled %(count)d orders.", count)
    )
    return _done(text % {"count": count})


def _execute(
    request: HttpRequest,
    desk: Desk,
    form: CodedForm,
    command: Command,
    template: str,
    context: dict[str, Any],
) -> Outcome | HttpResponse:
    """The outcome, or the dialog again with what went wrong."""
    try:
        return client.execute(desk.broker, desk.book_id, command)
    except UnknownOutcomeError as error:
        context = {**context, "unknown": error}
        return _dialog(request, template, form, context, status=error.status)
    except ProrataError as error:
        form.refuse(error)
        if not isinstance(error, UnavailableError):  # that one never reached the book
            form.renew()
        status = error.status if error.status in _SHOWN else _INVALID
        return _dialog(request, template, form, context, status=status)


def _dialog(
    request: HttpRequest,
    template: str,
    form: CodedForm,
    context: dict[str, Any],
    *,
    status: int = 200,
) -> HttpResponse:
    codes = form.codes() if form.is_bound else []
    return render(
        request,
        f"manager/{template}.html",
        {**context, "form": form, "codes": codes},
        status=status,
    )


def _done(text: str) -> HttpResponse:
    """Nothing to show in the dialog any more: desk.js closes it and says `text`."""
    answer = HttpResponse("")
    answer["HX-Trigger"] = json.dumps({"desk-done": {"text": text}})
    return answer
