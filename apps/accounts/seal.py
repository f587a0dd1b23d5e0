"""Sealing of trading-server credentials at rest (Fernet: AES-128-CBC with HMAC-SHA256)."""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from apps.core.errors import CorruptionError


def _fernet() -> Fernet:
    key = hashlib.sha256(b"prorata.seal." + settings.FIELD_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))


def seal(secret: str) -> bytes:
    """Encrypt with the key derived from FIELD_KEY."""
    return _fernet().encrypt(secret.encode())


def open_sealed(token: bytes) -> str:
    """Decrypt. Raises CorruptionError("secret_unreadable") when FIELD_KEY does not fit."""
    try:
        return _fernet().decrypt(token).decode()
    except InvalidToken as error:
        raise CorruptionError(
            "secret_unreadable", "The sealed credentials do not open with this FIELD_KEY."
        ) from error
