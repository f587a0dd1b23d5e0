"""Reversing a settlement: one button, a reason, everything mirrored."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from apps.accounts.access import require_role
from apps.accounts.models import Link
from apps.billing.broker import broker_now
from apps.billing.models import FeeRun
from apps.billing.services.undo import undo_settlement
from apps.core.errors import ProrataError
from apps.portals.broker.page import STAFF, request_id, user_of


@require_POST
@require_role(*STAFF)
def reverse(request: HttpRequest, public_id: UUID, link_id: UUID) -> HttpResponse:
    """POST reason=: the fees of one link in a run are taken back."""
    run = get_object_or_404(FeeRun, public_id=public_id)
    link = get_object_or_404(Link, public_id=link_id)
    try:
        notes = undo_settlement(
            user_of(request), run, link, broker_now(), request.POST.get("reason", ""),
            request_id=request_id(request),
        )  # fmt: skip
    except ProrataError as error:
        messages.error(request, f"{error.message} [{error.code}]")
    else:
        text = ngettext(
            "Reversed; %(count)s credit note is issued.",
            "Reversed; %(count)s credit notes are issued.",
            len(notes),
        )
        messages.success(request, text % {"count": len(notes)})
    return redirect("broker:fee_run", run.public_id)
