"""What every page of the office shares: the navigation, and one way to show a coded error."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from apps.accounts.models import Role, User
from apps.core.errors import ProrataError

ADMIN = (Role.ADMIN,)
STAFF = (Role.ADMIN, Role.FINANCE)


def user_of(request: HttpRequest) -> User:
    """The user that require_role let in."""
    assert isinstance(request.user, User)
    return request.user


def request_id(request: HttpRequest) -> str:
    return str(getattr(request, "id", ""))


def context(request: HttpRequest, current: str, **values: Any) -> dict[str, Any]:
    """Template context with the pages this user may open; `current` is the open one's name."""
    pages = [
        ("broker:dashboard", _("Overview"), STAFF),
        ("broker:masters", _("Masters"), STAFF),
        ("broker:fees", _("Fees"), STAFF),
        ("broker:receivables", _("Receivables"), STAFF),
        ("broker:documents", _("Documents"), STAFF),
        ("broker:ledger", _("Ledger"), STAFF),
        ("broker:people", _("People"), ADMIN),
        ("broker:servers", _("Servers"), ADMIN),
        ("broker:keys", _("API keys"), ADMIN),
        ("broker:widget", _("Widget"), ADMIN),
        ("broker:plan", _("Plan"), ADMIN),
        ("broker:audit", _("Audit trail"), ADMIN),
        ("notices", _("Notices"), ADMIN),
    ]
    nav = []
    for name, label, roles in pages:
        url = _url(name)
        if url and user_of(request).has_role(*roles):
            nav.append({"url": url, "label": label, "current": name == current})
    return {"nav": nav, "is_admin": user_of(request).has_role(*ADMIN), **values}


def show_error(form: forms.Form, error: ProrataError) -> None:
    """The error above the form's fields, with its code."""
    form.add_error(None, f"{error.message} [{error.code}]")


def _url(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:  # a page of a room that is not installed
        return ""
