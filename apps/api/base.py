"""What every view of the API shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rest_framework.pagination import CursorPagination
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.models import ApiKey, User
from apps.api.auth import HasScope, KeyAuthentication, KeyThrottle
from apps.api.errors import handle
from apps.api.parsing import StrictJSONParser
from apps.core.errors import NotFoundError

__all__ = ["ApiView", "Cursor", "UnknownView", "key_from", "user_from"]


class ApiView(APIView):
    """Key, scope, rate, strict JSON in, one shape of error out."""

    authentication_classes = [KeyAuthentication]
    permission_classes = [HasScope]
    throttle_classes = [KeyThrottle]
    parser_classes = [StrictJSONParser]
    renderer_classes = [JSONRenderer]
    scope = "read"

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response]:
        return handle


class UnknownView(ApiView):
    """Any other address below the API: 404 in the API's shape, to everybody."""

    authentication_classes = []
    permission_classes = []
    throttle_classes = []
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFoundError("not_found", "There is no such address.")


class Cursor(CursorPagination):
    """`?cursor=`, `?limit=` (1–500, 100 by default); answers {next, previous, results}."""

    page_size = 100
    page_size_query_param = "limit"
    max_page_size = 500


def user_from(request: Request) -> User:
    assert isinstance(request.user, User)
    return request.user


def key_from(request: Request) -> ApiKey:
    assert isinstance(request.auth, ApiKey)
    return request.auth
