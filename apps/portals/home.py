"""`/` at a broker's host: the first page of the reader's role."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from apps.accounts.models import Role, User

FIRST_PAGE = {
    Role.ADMIN: "/office/",
    Role.FINANCE: "/office/",
    Role.MANAGER: "/desk/",
    Role.INVESTOR: "/portal/",
}


def home(request: HttpRequest) -> HttpResponse:
    """Redirect to the page of the first role the user holds; to the log-in when nobody is in.

    Who holds none is told so (403) and can log out there.
    """
    if not isinstance(request.user, User):
        return redirect("account_login")
    for role, page in FIRST_PAGE.items():
        if request.user.has_role(role):
            return redirect(page)
    return render(request, "no_role.html", status=403)
