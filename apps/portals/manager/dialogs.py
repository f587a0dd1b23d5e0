"""A dialog of the terminal: shown, executed once, and how its end is told.

A refusal is recorded by the book under its command id, so the form that comes back carries a new
one; an *unknown* outcome keeps the id, and asking again with it can only do the thing once.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from apps.allocation.models import Block
from apps.allocation.selectors import books
from apps.core.book.commands import Command
from apps.core.errors import NotFoundError, ProrataError, UnavailableError, UnknownOutcomeError
from apps.engine import client
from apps.engine.messages import Outcome
from apps.portals.manager.book import Desk
from apps.portals.manager.forms import CodedForm

INVALID = 422
_SHOWN = (400, 409, 422, 503, 504)


def show(
    request: HttpRequest,
    template: str,
    form: CodedForm,
    context: dict[str, Any],
    *,
    status: int = 200,
) -> HttpResponse:
    """The dialog `manager/<template>.html` with the form and the codes of its errors."""
    codes = form.codes() if form.is_bound else []
    context = {**context, "form": form, "codes": codes}
    return render(request, f"manager/{template}.html", context, status=status)


def execute(
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
        return show(request, template, form, {**context, "unknown": error}, status=error.status)
    except ProrataError as error:
        refuse(form, error)
        return show(request, template, form, context, status=shown_status(error))


def refuse(form: CodedForm, error: ProrataError) -> None:
    """The refusal at its field, and a new command id where the book has recorded an answer."""
    form.refuse(error)
    if not isinstance(error, UnavailableError):
        form.renew()


def shown_status(error: ProrataError) -> int:
    """The status of a refusal that carries its own explanation (see static/js/requests.js)."""
    return error.status if error.status in _SHOWN else INVALID


def done(text: str) -> HttpResponse:
    """Nothing to show in the dialog any more: desk.js closes it and says `text`."""
    answer = HttpResponse("")
    answer["HX-Trigger"] = json.dumps({"desk-done": {"text": text}})
    return answer


def block_or_404(desk: Desk, block_id: UUID) -> Block:
    try:
        return books.block_of(desk.book_id, block_id)
    except NotFoundError:
        raise Http404 from None
