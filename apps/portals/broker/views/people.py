"""People: the list, inviting, letting in and keeping out."""

from __future__ import annotations

import smtplib
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.access import require_role
from apps.accounts.models import User
from apps.core.errors import ProrataError
from apps.portals.broker.forms import InviteForm
from apps.portals.broker.page import ADMIN, context, request_id, show_error, user_of
from apps.portals.broker.people import invite, send_invitation, set_active

PER_PAGE = 50


@require_http_methods(["GET", "HEAD", "POST"])
@require_role(*ADMIN)
def people(request: HttpRequest) -> HttpResponse:
    """GET the list; POST invites somebody."""
    form = InviteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user = invite(user_of(request), **form.cleaned_data, request_id=request_id(request))
        except ProrataError as error:
            show_error(form, error)
        else:
            _mail(request, user)
            return redirect("broker:people")
    found = User.objects.order_by("-is_active", "email")
    search = request.GET.get("q", "").strip()[:100]
    if search:
        found = found.filter(email__icontains=search)
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    status = 400 if form.is_bound and form.errors else 200
    return render(
        request,
        "office/people.html",
        context(request, "broker:people", form=form, page=page, search=search),
        status=status,
    )


@require_POST
@require_role(*ADMIN)
def invite_again(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Send the set-password link once more."""
    _mail(request, get_object_or_404(User, public_id=public_id, is_active=True))
    return redirect("broker:people")


@require_POST
@require_role(*ADMIN)
def activate(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """POST active=1 or 0."""
    user = get_object_or_404(User, public_id=public_id)
    try:
        set_active(
            user_of(request),
            user,
            request.POST.get("active") == "1",
            request_id=request_id(request),
        )
    except ProrataError as error:
        messages.error(request, f"{error.message} [{error.code}]")
    return redirect("broker:people")


def _mail(request: HttpRequest, user: User) -> None:
    try:
        send_invitation(request, user)
    except (OSError, smtplib.SMTPException):
        messages.warning(
            request,
            _("%(email)s is one of your people now, but the invitation could not be sent.")
            % {"email": user.email},
        )
    else:
        messages.success(request, _("An invitation went to %(email)s.") % {"email": user.email})
