"""The manager's own documents: remittance advices and what reverses them."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from apps.accounts.access import require_role
from apps.accounts.models import Role, User
from apps.billing.selectors.people import papers_of
from apps.core.errors import ProrataError
from apps.portals.manager.book import nav
from apps.portals.papers import languages, own_pdf

PER_PAGE = 24


@require_safe
@require_role(Role.MANAGER)
def listing(request: HttpRequest) -> HttpResponse:
    """GET /desk/documents/."""
    user = cast(User, request.user)
    page = Paginator(papers_of(user), PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "nav": nav("documents"), **languages(user)}
    return render(request, "manager/documents.html", context)


@require_safe
@require_role(Role.MANAGER)
def pdf(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """GET one's own document."""
    try:
        return own_pdf(cast(User, request.user), public_id)
    except ProrataError as error:
        messages.error(request, f"{error.message} [{error.code}]")
        return redirect("manager:documents")
