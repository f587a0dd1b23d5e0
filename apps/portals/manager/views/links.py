"""One sub-account as the manager may change it: its parameters and caps, whether it takes part."""

from __future__ import annotations

import uuid
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.access import require_role
from apps.accounts.models import Link, Role
from apps.allocation.selectors import books
from apps.core.book.terms import terms_from_json
from apps.core.errors import ProrataError, UnknownOutcomeError
from apps.engine import client
from apps.portals.manager import dialogs
from apps.portals.manager.book import Desk, trading_desk_of
from apps.portals.manager.forms import StatusForm, TermsForm, initial_of


@require_http_methods(["GET", "POST"])
@require_role(Role.MANAGER)
def terms(request: HttpRequest, book_id: UUID, account_id: UUID) -> HttpResponse:
    """Dialog: the parameters and caps of one link."""
    desk, link, context = _scene(request, book_id, account_id)
    before = terms_from_json(link.params)
    if request.method == "GET":
        form = TermsForm(initial={"command_id": uuid.uuid4(), **initial_of(before)})
        return dialogs.show(request, "_terms", form, context)
    form = TermsForm(request.POST)
    if not form.is_valid():
        return dialogs.show(request, "_terms", form, context, status=dialogs.INVALID)
    try:
        command = form.command(desk, link.account_id, before)
    except ProrataError as error:
        form.refuse(error)
        return dialogs.show(request, "_terms", form, context, status=dialogs.INVALID)
    answer = dialogs.execute(request, desk, form, command, "_terms", context)
    if isinstance(answer, HttpResponse):
        return answer
    return dialogs.done(_("Set for %(login)s from the next block on.") % _login(link))


@require_POST
@require_role(Role.MANAGER)
def status(request: HttpRequest, book_id: UUID, account_id: UUID) -> HttpResponse:
    """Whether the account takes part: yes, in closing only, or not now."""
    desk, link, context = _scene(request, book_id, account_id)
    form = StatusForm(request.POST)
    if not form.is_valid():
        return _terms_with(request, link, form, context)
    try:
        client.execute(desk.broker, desk.book_id, form.command(desk, link.account_id))
    except UnknownOutcomeError as error:
        return _terms_with(request, link, form, {**context, "unknown": error}, error.status)
    except ProrataError as error:
        dialogs.refuse(form, error)
        return _terms_with(request, link, form, context, dialogs.shown_status(error))
    texts = {
        "active": _("%(login)s takes part again."),
        "close_only": _("%(login)s takes part in closing only."),
        "paused": _("%(login)s is paused: it gets no share of new blocks."),
    }
    return dialogs.done(texts[form.cleaned_data["status"]] % _login(link))


def _terms_with(
    request: HttpRequest,
    link: Link,
    refused: StatusForm,
    context: dict[str, Any],
    status_code: int = dialogs.INVALID,
) -> HttpResponse:
    """The dialog as it was, with why the status was not set."""
    before = terms_from_json(link.params)
    form = TermsForm(initial={"command_id": uuid.uuid4(), **initial_of(before)})
    context = {**context, "status_form": refused, "status_codes": refused.codes()}
    return dialogs.show(request, "_terms", form, context, status=status_code)


def _scene(
    request: HttpRequest, book_id: UUID, account_id: UUID
) -> tuple[Desk, Link, dict[str, Any]]:
    desk = trading_desk_of(request, book_id)
    link = get_object_or_404(books.members_of(desk.master), account__public_id=account_id)
    standing = link.status if link.status in ("active", "paused", "close_only") else "active"
    form = StatusForm(initial={"command_id": uuid.uuid4(), "status": standing})
    return desk, link, {"desk": desk, "link": link, "status_form": form}


def _login(link: Link) -> dict[str, int]:
    return {"login": link.account.login}
