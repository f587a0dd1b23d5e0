"""Signatures of preview tokens: token = payload + "." + HMAC-SHA256 under Django's secret key."""

from __future__ import annotations

from uuid import UUID

from django.utils.crypto import constant_time_compare, salted_hmac

from apps.core.errors import InputError

_SALT = "prorata.engine.preview"


def sign(broker: str, book_id: UUID, payload: str) -> str:
    return f"{payload}.{_signature(broker, book_id, payload)}"


def check(broker: str, book_id: UUID, token: str) -> None:
    """Raises InputError `preview_token_invalid` for any token not signed for this book."""
    payload, _, signature = token.partition(".")
    if not constant_time_compare(signature, _signature(broker, book_id, payload)):
        raise InputError("preview_token_invalid", "This is no token of a preview of this book.")


def _signature(broker: str, book_id: UUID, payload: str) -> str:
    return salted_hmac(_SALT, f"{broker}:{book_id}:{payload}", algorithm="sha256").hexdigest()
