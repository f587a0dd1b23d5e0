"""Platform staff on the platform's own host: log-in by a signed cookie, no session table there.

The cookie names the member and a digest of the password's hash: another password ends it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from tenants.door import public_schema
from tenants.revenue.models import StaffMember

COOKIE = "staff"
LASTS_S = 8 * 3600
_SALT = "tenants.revenue.staff"
P = ParamSpec("P")


def set_password(email: str, password: str) -> StaffMember:
    """Create the member or give another password."""
    with public_schema():
        member, _ = StaffMember.objects.update_or_create(
            email=email.strip().lower(),
            defaults={"password": make_password(password), "is_active": True},
        )
    return member


def authenticate(email: str, password: str) -> StaffMember | None:
    """The member, or None. An unknown address takes as long as a wrong password."""
    member = StaffMember.objects.filter(email=email.strip().lower(), is_active=True).first()
    if not check_password(password, member.password if member else make_password("nobody")):
        return None
    return member


def log_in(response: HttpResponse, member: StaffMember) -> None:
    value = signing.dumps([member.pk, _mark(member)], salt=_SALT)
    response.set_cookie(
        COOKIE, value, LASTS_S, httponly=True, samesite="Strict", path="/staff/",
        secure=settings.SESSION_COOKIE_SECURE,
    )  # fmt: skip


def log_out(response: HttpResponse) -> None:
    response.delete_cookie(COOKIE, path="/staff/", samesite="Strict")


def member_of(request: HttpRequest) -> StaffMember | None:
    """Who is logged in; None for nobody, an old cookie, a changed password."""
    try:
        pk, mark = signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT, max_age=LASTS_S)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    member = StaffMember.objects.filter(pk=pk, is_active=True).first()
    return member if member is not None and _mark(member) == mark else None


def staff_only(
    view: Callable[Concatenate[HttpRequest, StaffMember, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """View decorator: the member as second argument, else the log-in page."""

    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        member = member_of(request)
        if member is None:
            return redirect("staff:login")
        response = view(request, member, *args, **kwargs)
        response["Cache-Control"] = "private, no-store"
        return response

    return checked


def _mark(member: StaffMember) -> str:
    return hashlib.sha256(member.password.encode()).hexdigest()[:24]
