"""One JSON shape for every error: {"code", "message", "details", "request_id"}."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from apps.core.errors import ProrataError

logger = logging.getLogger(__name__)

# DRF's own codes that say nothing of the value; ours ("volume_invalid", …) pass as they are.
_GENERIC = frozenset(
    {"invalid", "required", "null", "blank", "not_a_dict", "max_length", "min_length", "error"}
)
_PLAIN: list[tuple[type[Exception], int, str, str]] = [
    (RequestDataTooBig, 413, "body_too_large", "A request's body is at most 1 MiB."),
    (Http404, 404, "not_found", "There is no such thing."),
    (exceptions.NotFound, 404, "not_found", "There is no such thing."),
    (PermissionDenied, 403, "forbidden", "This key may not do that."),
    (exceptions.PermissionDenied, 403, "forbidden", "This key may not do that."),
    (exceptions.ParseError, 400, "malformed_json", "The body is not JSON that this API reads."),
    (exceptions.NotAuthenticated, 401, "not_authenticated", "Send Authorization: Bearer prk_…"),
    (exceptions.AuthenticationFailed, 401, "key_invalid", "This key is not valid (any more)."),
    (exceptions.MethodNotAllowed, 405, "method_not_allowed", "Not this method at this address."),
    (exceptions.UnsupportedMediaType, 415, "not_json", "Send the body as application/json."),
    (exceptions.NotAcceptable, 406, "not_acceptable", "Answers are application/json."),
]


def handle(error: Exception, context: dict[str, Any]) -> Response:
    """DRF's exception handler. What is not foreseen is logged and answered as internal_error."""
    request_id = str(getattr(context["request"]._request, "id", ""))
    if isinstance(error, ProrataError):
        response = _shape(error.status, error.code, error.message, error.details, request_id)
        if error.status == 503:
            response["Retry-After"] = "2"
        return response
    if isinstance(error, exceptions.ValidationError):
        return _invalid(error, request_id)
    if isinstance(error, exceptions.Throttled):
        wait_s = int(getattr(error, "wait", None) or 1)
        response = _shape(
            429, "rate_limited", f"Too many requests: again in {wait_s} s.",
            {"retry_after_s": wait_s}, request_id,
        )  # fmt: skip
        response["Retry-After"] = str(wait_s)
        return response
    for kind, status, code, message in _PLAIN:
        if isinstance(error, kind):
            details = {"reason": str(error.detail)} if code == "malformed_json" else {}  # type: ignore[attr-defined]
            response = _shape(status, code, message, details, request_id)
            if status == 401:
                response["WWW-Authenticate"] = 'Bearer realm="api"'
            return response
    logger.error("api: unforeseen error, request %s", request_id, exc_info=error)
    return _shape(
        500, "internal_error", "An error of ours. Nothing is known of the outcome.", {}, request_id
    )


def _shape(
    status: int, code: str, message: str, details: dict[str, Any], request_id: str
) -> Response:
    body = {"code": code, "message": message, "details": details, "request_id": request_id}
    return Response(body, status=status)


def _invalid(error: exceptions.ValidationError, request_id: str) -> Response:
    """The first wrong field gives code and message; `details.fields` has them all."""
    fields: dict[str, dict[str, str]] = {}
    found = error.get_full_details()
    for name, leaves in found.items() if isinstance(found, dict) else [("body", found)]:
        leaf: Any = leaves
        while not (isinstance(leaf, dict) and "code" in leaf and "message" in leaf):
            leaf = next(iter(leaf.values())) if isinstance(leaf, dict) else leaf[0]
        fields[str(name)] = {"code": str(leaf["code"]), "message": str(leaf["message"])}
    name, first = next(iter(fields.items()))
    code = "invalid_request" if first["code"] in _GENERIC else first["code"]
    return _shape(400, code, f"{name}: {first['message']}", {"fields": fields}, request_id)
