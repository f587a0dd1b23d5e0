"""Limits and stops of a book: shown, set, stopped by hand, lifted.

A manager acts on the own masters, an admin on any, as the broker: docs/risk.md.
"""

from __future__ import annotations

import uuid
from typing import Any, cast
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from apps.accounts.access import link_for_risk, master_for_risk, require_role
from apps.accounts.models import Link, Role, User
from apps.allocation.models import ProtectionStop
from apps.allocation.selectors.protection import limits_of, stop_in_force, stopped_accounts
from apps.core.book.commands import HardStop, LiftStop, SetProtection
from apps.core.book.risk.settings import Party, Scope
from apps.core.errors import NotFoundError, ProrataError
from apps.engine import client
from apps.portals.manager import dialogs
from apps.portals.manager.book import Desk, desk_of
from apps.portals.manager.forms import CancelForm
from apps.portals.manager.forms.protection import ProtectionForm, StopForm, initial_limits

STOPS = 50
_BOOK_SCOPES: tuple[Scope, ...] = ("master", "every_account")


@require_GET
@require_role(Role.MANAGER, Role.ADMIN)
def risk(request: HttpRequest, book_id: UUID) -> HttpResponse:
    """Fragment: limits by party, the stop in force, the last stops."""
    return render(request, "manager/_risk.html", {"table": risk_table(desk_of(request, book_id))})


def risk_table(desk: Desk) -> dict[str, Any]:
    stops = list(
        ProtectionStop.objects.filter(book_id=desk.book_id).order_by("-triggered_at", "id")[:STOPS]
    )
    held = {stop.account_id for stop in stops if stop.account_id is not None}
    links = Link.objects.filter(master=desk.master, account_id__in=held).select_related("account")
    logins = {link.account_id: link.account for link in links}
    return {
        "desk": desk,
        "limits": [(scope, limits_of(desk.book_id, scope)) for scope in _BOOK_SCOPES],
        "stop": stop_in_force(desk.book_id, None),
        "stopped": stopped_accounts(desk.book_id),
        "stops": [(stop, logins.get(stop.account_id or 0)) for stop in stops],
    }


@require_http_methods(["GET", "POST"])
@require_role(Role.MANAGER, Role.ADMIN)
def book_limits(request: HttpRequest, book_id: UUID, scope: str) -> HttpResponse:
    """Dialog: one's limits of the master, or of every account."""
    desk, party = _seat(request, book_id)
    if scope not in _BOOK_SCOPES:
        raise Http404
    currency = desk.master.account.currency
    return _limits(request, desk, party, scope, currency, None)


@require_http_methods(["GET", "POST"])
@require_role(Role.MANAGER, Role.ADMIN)
def account_limits(request: HttpRequest, book_id: UUID, account_id: UUID) -> HttpResponse:
    """Dialog: one's limits of one account."""
    desk, party, link = _account_seat(request, book_id, account_id)
    return _limits(request, desk, party, "account", link.account.currency, link)


def _limits(
    request: HttpRequest, desk: Desk, party: Party, scope: Scope, currency: str, link: Link | None
) -> HttpResponse:
    account_id = link.account_id if link is not None else None
    known = limits_of(desk.book_id, scope, account_id or 0)
    context = {
        "desk": desk,
        "scope": scope,
        "link": link,
        "others": {name: limits for name, limits in known.items() if name != party},
    }
    if request.method == "GET":
        initial = {"command_id": uuid.uuid4(), **initial_limits(known.get(party, {}), currency)}
        form = ProtectionForm(initial=initial, scope=scope, currency=currency)
        return dialogs.show(request, "_limits", form, context)
    form = ProtectionForm(request.POST, scope=scope, currency=currency)
    if not form.is_valid():
        return dialogs.show(request, "_limits", form, context, status=dialogs.INVALID)
    try:
        protection = form.protection()
    except ProrataError as error:
        form.refuse(error)
        return dialogs.show(request, "_limits", form, context, status=dialogs.INVALID)
    command = SetProtection(
        command_id=form.cleaned_data["command_id"],
        scope=scope,
        party=party,
        protection=protection,
        account_id=account_id,
        placed_by=str(desk.user.public_id),
    )
    answer = dialogs.execute(request, desk, form, command, "_limits", context)
    if isinstance(answer, HttpResponse):
        return answer
    return dialogs.done(_("The limits are set. The strictest of all parties holds."))


@require_http_methods(["GET", "POST"])
@require_role(Role.MANAGER, Role.ADMIN)
def hard_stop(request: HttpRequest, book_id: UUID) -> HttpResponse:
    """Dialog: what a hard stop closes now; POST does exactly that, or says what has changed."""
    desk, party = _seat(request, book_id)
    form = StopForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        command = HardStop(
            command_id=form.cleaned_data["command_id"],
            party=party,
            token=form.cleaned_data["token"],
            placed_by=str(desk.user.public_id),
        )
        try:
            client.execute(desk.broker, desk.book_id, command)
        except ProrataError as error:
            return _stop_dialog(request, desk, party, error)
        return dialogs.done(_("The book is stopped: closing everything, then blocked."))
    return _stop_dialog(request, desk, party, None)


def _stop_dialog(
    request: HttpRequest, desk: Desk, party: Party, refused: ProrataError | None
) -> HttpResponse:
    """What would be closed now, seen anew after a refusal."""
    context: dict[str, Any] = {"desk": desk, "refused": refused}
    status = dialogs.shown_status(refused) if refused else 200
    try:
        ask = HardStop(command_id=uuid.uuid4(), party=party, token="")
        seen = client.preview_stop(desk.broker, desk.book_id, ask)
    except ProrataError as error:
        form = StopForm(initial={"command_id": uuid.uuid4()})
        context["refused"] = refused or error
        return dialogs.show(request, "_hard_stop", form, context, status=error.status)
    form = StopForm(initial={"command_id": uuid.uuid4(), "token": seen.token})
    return dialogs.show(request, "_hard_stop", form, context | {"seen": seen}, status=status)


@require_http_methods(["GET", "POST"])
@require_role(Role.MANAGER, Role.ADMIN)
def lift_book(request: HttpRequest, book_id: UUID) -> HttpResponse:
    """Dialog: let a blocked book trade again."""
    desk, party = _seat(request, book_id)
    return _lift(request, desk, party, None)


@require_http_methods(["GET", "POST"])
@require_role(Role.MANAGER, Role.ADMIN)
def lift_account(request: HttpRequest, book_id: UUID, account_id: UUID) -> HttpResponse:
    """Dialog: let a blocked account trade again."""
    desk, party, link = _account_seat(request, book_id, account_id)
    return _lift(request, desk, party, link)


def _lift(request: HttpRequest, desk: Desk, party: Party, link: Link | None) -> HttpResponse:
    context = {"desk": desk, "link": link}
    if request.method == "GET":
        return dialogs.show(
            request, "_lift", CancelForm(initial={"command_id": uuid.uuid4()}), context
        )
    form = CancelForm(request.POST)
    if not form.is_valid():
        return dialogs.show(request, "_lift", form, context, status=dialogs.INVALID)
    command = LiftStop(
        command_id=form.cleaned_data["command_id"],
        party=party,
        account_id=link.account_id if link is not None else None,
        placed_by=str(desk.user.public_id),
    )
    answer = dialogs.execute(request, desk, form, command, "_lift", context)
    if isinstance(answer, HttpResponse):
        return answer
    return dialogs.done(_("Lifted: it trades again, and its references start anew."))


def _seat(request: HttpRequest, book_id: UUID) -> tuple[Desk, Party]:
    """The desk and as whom the reader acts. Raises Http404 for a book that is another's."""
    desk = desk_of(request, book_id)
    try:
        _master, party = master_for_risk(cast(User, request.user), book_id)
    except NotFoundError:
        raise Http404 from None
    return desk, party


def _account_seat(
    request: HttpRequest, book_id: UUID, account_id: UUID
) -> tuple[Desk, Party, Link]:
    desk = desk_of(request, book_id)
    try:
        link, party = link_for_risk(cast(User, request.user), book_id, account_id)
    except NotFoundError:
        raise Http404 from None
    return desk, party, link
