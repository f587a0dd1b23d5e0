"""At most so many requests a minute from one address: the widget is open to the whole web."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps

import redis
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

View = Callable[[HttpRequest], HttpResponse]
PER_MINUTE = 240


def limited(view: View) -> View:
    """429 beyond PER_MINUTE. When Redis is away the page is served: it changes nothing."""

    @wraps(view)
    def checked(request: HttpRequest) -> HttpResponse:
        window = int(time.time()) // 60
        name = f"widget-rate:{address_of(request)}:{window}"
        try:
            cache.add(name, 0, timeout=120)
            used = cache.incr(name)
        except redis.RedisError:
            used = 0
        if used <= PER_MINUTE:
            return view(request)
        response = HttpResponse(_("Too many requests."), status=429, content_type="text/plain")
        response["Retry-After"] = "60"
        return response

    return checked


def address_of(request: HttpRequest) -> str:
    """The client's address. Where a proxy of ours is trusted for the scheme, it is the last hop
    that the proxy itself wrote; what stands before it anybody can write."""
    if settings.SECURE_PROXY_SSL_HEADER:
        hops = request.headers.get("X-Forwarded-For", "").split(",")
        if hops[-1].strip():
            return hops[-1].strip()[:45]
    return str(request.META.get("REMOTE_ADDR", ""))
