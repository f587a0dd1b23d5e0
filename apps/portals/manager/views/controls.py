"""What the manager changes of a whole book: everything closed or cancelled, the rule."""

from __future__ import annotations

import uuid
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from apps.accounts.access import require_role
from apps.accounts.models import Role
from apps.allocation.models import Block
from apps.allocation.selectors import books
from apps.core.allocation import Rule
from apps.core.book.commands import CancelAll, CloseAll
from apps.core.book.terms import terms_from_json
from apps.core.errors import ProrataError
from apps.portals.manager import dialogs
from apps.portals.manager.book import trading_desk_of
from apps.portals.manager.forms import EverythingForm, RuleForm, initial_of
from apps.portals.manager.forms.terms import OPTIONS


@require_http_methods(["GET", "POST"])
@require_role(Role.MANAGER)
def close_all(request: HttpRequest, book_id: UUID) -> HttpResponse:
    """Dialog: close every open block, or those of one symbol."""
    return _everything(request, book_id, CloseAll, is_closing=True)


@require_http_methods(["GET", "POST"])
@require_role(Role.MANAGER)
def cancel_all(request: HttpRequest, book_id: UUID) -> HttpResponse:
    """Dialog: cancel every pending order, or those of one symbol."""
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
    states = (Block.State.OPEN,) if is_closing else (Block.State.PENDING,)
    symbols = sorted({block.symbol for block in books.blocks_of(desk.book_id, states)})
    if request.method == "GET":
        form = EverythingForm(initial={"command_id": uuid.uuid4()}, symbols=symbols)
        return dialogs.show(request, "_everything", form, context)
    form = EverythingForm(request.POST, symbols=symbols)
    if not form.is_valid():
        return dialogs.show(request, "_everything", form, context, status=dialogs.INVALID)
    command = kind(
        command_id=form.cleaned_data["command_id"],
        symbol=form.cleaned_data["symbol"] or None,
        placed_by=str(desk.user.public_id),
    )
    answer = dialogs.execute(request, desk, form, command, "_everything", context)
    if isinstance(answer, HttpResponse):
        return answer
    count = int(answer.result["blocks"])
    text = (
        ngettext("Closing %(count)d block.", "Closing %(count)d blocks.", count)
        if is_closing
        else ngettext("Cancelled %(count)d order.", "Cancelled %(count)d orders.", count)
    )
    return dialogs.done(text % {"count": count})


@require_http_methods(["GET", "POST"])
@require_role(Role.MANAGER)
def rule(request: HttpRequest, book_id: UUID) -> HttpResponse:
    """Dialog: how blocks are divided, and the terms of links that have none of their own."""
    desk = trading_desk_of(request, book_id)
    context = {"desk": desk}
    before = Rule.from_dict(desk.master.rule)
    defaults = terms_from_json(desk.master.link_defaults)
    if request.method == "GET":
        options = {name: before.as_dict()[name] for name in OPTIONS}
        initial = {"command_id": uuid.uuid4(), **initial_of(defaults), **options}
        return dialogs.show(request, "_rule", RuleForm(initial=initial), context)
    form = RuleForm(request.POST)
    if not form.is_valid():
        return dialogs.show(request, "_rule", form, context, status=dialogs.INVALID)
    try:
        command = form.rule_command(desk, before, defaults)
    except ProrataError as error:
        form.refuse(error)
        return dialogs.show(request, "_rule", form, context, status=dialogs.INVALID)
    answer = dialogs.execute(request, desk, form, command, "_rule", context)
    if isinstance(answer, HttpResponse):
        return answer
    return dialogs.done(_("The rule is set: it divides every block from now on."))
