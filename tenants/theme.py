"""The reader's theme: a cookie the server reads, so a page is never painted in the wrong one."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

COOKIE = "theme"
THEMES = ("light", "dark")
YEAR_S = 365 * 24 * 3600


def theme_of(request: HttpRequest) -> str:
    """'light', 'dark', or '' for the system's own."""
    value = request.COOKIES.get(COOKIE, "")
    return value if value in THEMES else ""


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """POST theme=light|dark|auto; back to the page it came from. theme.js needs no trip."""
    back = request.META.get("HTTP_REFERER", "")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure()):
        back = "/"
    response = HttpResponseRedirect(back)
    value = request.POST.get("theme", "")
    if value in THEMES:
        response.set_cookie(
            COOKIE, value, YEAR_S, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE
        )
    else:
        response.delete_cookie(COOKIE, samesite="Lax")
    return response
