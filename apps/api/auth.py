"""Who calls: a key, its scopes, its rate."""

from __future__ import annotations

import time
from typing import Any

import redis
from django.core.cache import cache
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from apps.accounts.api_keys import key_of
from apps.accounts.models import ApiKey, User
from apps.core.errors import ForbiddenError, UnavailableError

_WINDOW_S = 60


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer prk_…`: request.user is the owner, request.auth the ApiKey."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        header = request.headers.get("Authorization", "")
        if not header:
            return None
        scheme, _, text = header.partition(" ")
        key = key_of(text.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            raise AuthenticationFailed
        return key.owner, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class HasScope(BasePermission):
    """The key holds `view.scope`: "trade" for what changes something, "read" for the rest."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.auth, ApiKey):
            return False
        scope: str = view.scope  # type: ignore[attr-defined]
        if scope not in request.auth.scopes:
            raise ForbiddenError(
                "scope_missing", f"This key has not the scope {scope}.", scope=scope
            )
        return True


class KeyThrottle(BaseThrottle):
    """At most `rate_per_minute` requests of a key in each minute of the clock (Redis counter)."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.auth, ApiKey):
            return True  # refused by the permission anyway
        window = int(time.time()) // _WINDOW_S
        name = f"api-rate:{request.auth.public_id}:{window}"
        try:
            cache.add(name, 0, timeout=2 * _WINDOW_S)
            used = cache.incr(name)
        except redis.RedisError as error:
            raise UnavailableError("no_transport", "The rate cannot be counted now.") from error
        return used <= request.auth.rate_per_minute

    def wait(self) -> float:
        return _WINDOW_S - time.time() % _WINDOW_S + 1


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How OpenAPI describes the key."""

    target_class = "apps.api.auth.KeyAuthentication"
    name = "ApiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A key of the office: prk_…"}
