"""A new master, opened on a trading server whose answer may stay away."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from apps.accounts.access import require_role
from apps.core.errors import ProrataError, UnknownOutcomeError
from apps.engine.masters import create_master
from apps.portals.broker.forms import MasterForm
from apps.portals.broker.page import ADMIN, context, request_id, show_error, user_of


@require_http_methods(["GET", "HEAD", "POST"])
@require_role(*ADMIN)
def new_master(request: HttpRequest) -> HttpResponse:
    """GET the form; POST opens the account and makes the master.

    When the outcome is unknown the page keeps the very same request and offers to ask again.
    """
    form = MasterForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        wanted = form.cleaned_data
        try:
            made = create_master(actor=user_of(request), request_id=request_id(request), **wanted)
        except UnknownOutcomeError as error:
            return _page(request, form, error.status, unknown=error)
        except ProrataError as error:
            show_error(form, error)
            fresh = request.POST.copy()  # refused for good: the next try is another command
            fresh["command_id"] = str(uuid.uuid4())
            form.data = fresh
            return _page(request, form, error.status)
        messages.success(
            request,
            _("%(name)s is open with login %(login)s. Link accounts to it next.")
            % {"name": made.name, "login": made.account.login},
        )
        return redirect("broker:master", public_id=made.public_id)
    return _page(request, form, 400 if form.is_bound else 200)


def _page(
    request: HttpRequest,
    form: MasterForm,
    status: int,
    unknown: UnknownOutcomeError | None = None,
) -> HttpResponse:
    return render(
        request,
        "office/new_master.html",
        context(request, "broker:masters", form=form, unknown=unknown),
        status=status,
    )
