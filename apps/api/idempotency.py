"""Running a command once for each Idempotency-Key of a key.

The command's id is uuid5(key, Idempotency-Key), so even without the row below a repeat reaches the
book as the same command, and the book gives its first outcome. The row keeps the answer, and tells
a repeat from another request under the same key.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from django.db import IntegrityError, transaction

from apps.accounts.audit import audit
from apps.accounts.models import ApiKey
from apps.api.models import ApiRequest
from apps.core.errors import (
    ConflictError,
    InputError,
    NotFoundError,
    ProrataError,
    RejectedError,
    UnknownOutcomeError,
)

_KEY = re.compile(r"[\x21-\x7e]{1,128}")
# What the book decided stays decided; unavailable and unknown may be asked again.
_FINAL = (ConflictError, InputError, NotFoundError, RejectedError)


@dataclass(frozen=True, slots=True)
class Ask:
    """A command as the API received it."""

    key: ApiKey
    idempotency_key: str
    path: str
    body: Any
    book_id: UUID
    action: str
    request_id: str

    @property
    def command_id(self) -> UUID:
        return uuid5(self.key.public_id, self.idempotency_key)

    @property
    def body_sha256(self) -> str:
        canonical = json.dumps([self.path, self.body], sort_keys=True, default=str)
        return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: dict[str, Any]
    replayed: bool


def check_idempotency_key(text: str | None) -> str:
    """Raises InputError: idempotency_key_missing, idempotency_key_invalid."""
    if not text:
        raise InputError("idempotency_key_missing", "Send an Idempotency-Key with every command.")
    if not _KEY.fullmatch(text):
        raise InputError(
            "idempotency_key_invalid", "An Idempotency-Key is 1 to 128 visible ASCII characters."
        )
    return text


def run_once(ask: Ask, execute: Callable[[UUID], dict[str, Any]], status: int) -> Answer:
    """The first answer of this Idempotency-Key; `execute(command_id)` runs while there is none.

    Raises ConflictError("idempotency_key_reused"), and what `execute` raises.
    """
    row = _claim(ask)
    if row.status is not None:
        return Answer(row.status, row.answer or {}, replayed=True)
    try:
        body = execute(ask.command_id)
    except _FINAL as error:
        _keep(row, error.status, _error_body(error, ask.request_id))
        raise
    except UnknownOutcomeError as error:
        raise UnknownOutcomeError(
            error.code,
            f"{error.message} Send the same request with the same Idempotency-Key again.",
            **{**error.details, "command_id": str(ask.command_id)},
        ) from error
    _keep(row, status, body)
    return Answer(status, body, replayed=False)


def _claim(ask: Ask) -> ApiRequest:
    try:
        row = _first_claim(ask)
    except IntegrityError:  # asked before: the rare case pays, not every first request
        row = ApiRequest.objects.get(key=ask.key, idempotency_key=ask.idempotency_key)
    if row.body_sha256 != ask.body_sha256:
        raise ConflictError(
            "idempotency_key_reused",
            "This Idempotency-Key was used for another request.",
            command_id=str(row.command_id),
        )
    return row


def _first_claim(ask: Ask) -> ApiRequest:
    with transaction.atomic():
        row = ApiRequest.objects.create(
            key=ask.key,
            idempotency_key=ask.idempotency_key,
            body_sha256=ask.body_sha256,
            command_id=ask.command_id,
            book_id=ask.book_id,
        )
        audit(
            ask.key.owner,
            ask.action,
            f"book:{ask.book_id}",
            after={"command_id": str(ask.command_id), "api_key": ask.key.prefix},
            request_id=ask.request_id,
        )
    return row


def _keep(row: ApiRequest, status: int, body: dict[str, Any]) -> None:
    """The first answer wins when two repeats run at once (the book gave both the same outcome)."""
    ApiRequest.objects.filter(pk=row.pk, status=None).update(status=status, answer=body)


def _error_body(error: ProrataError, request_id: str) -> dict[str, Any]:
    return {**error.as_dict(), "request_id": request_id}
