"""Making, checking and revoking keys of the REST API.

A key is `prk_PREFIX_SECRET`: 8 characters to find it by, 32 random bytes to prove it. SHA-256 is
enough for a secret of 256 random bits: there is nothing to guess, so nothing to slow down.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.accounts.audit import audit
from apps.accounts.models import ApiKey, User
from apps.accounts.standing import Capability, require
from apps.core.errors import InputError

_KEY = re.compile(r"prk_(?P<prefix>[a-z0-9]{8})_(?P<secret>[A-Za-z0-9_\-]{43})")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_TOUCH_EVERY = timedelta(minutes=1)


def create_key(
    actor: User,
    owner: User,
    name: str,
    scopes: Iterable[str],
    *,
    expires_at: datetime | None = None,
    request_id: str = "",
) -> tuple[ApiKey, str]:
    """The key's row and its text, which is nowhere afterwards.

    Raises InputError: scopes_invalid, expiry_past, owner_inactive, name_missing; ForbiddenError of
    the broker's standing.
    """
    require(Capability.GROW)
    wanted = sorted(set(scopes))
    if not wanted or not set(wanted) <= set(ApiKey.Scope.values):
        raise InputError("scopes_invalid", "A key has one or more of the scopes read and trade.")
    if not name.strip():
        raise InputError("name_missing", "A key has a name, so that it can be told from others.")
    if expires_at is not None and expires_at <= timezone.now():
        raise InputError("expiry_past", "The key would be expired already.")
    if not owner.is_active:
        raise InputError("owner_inactive", "The key's owner may not log in.")
    prefix = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    secret = secrets.token_urlsafe(32)
    with transaction.atomic():
        key = ApiKey.objects.create(
            name=name.strip()[:60],
            owner=owner,
            prefix=prefix,
            secret_sha256=_digest(secret),
            scopes=wanted,
            expires_at=expires_at,
        )
        audit(
            actor,
            "api_key.create",
            f"api_key:{key.public_id}",
            after={"name": key.name, "owner": owner.email, "scopes": wanted},
            request_id=request_id,
        )
    return key, f"prk_{prefix}_{secret}"


def revoke_key(actor: User, key: ApiKey, *, request_id: str = "") -> ApiKey:
    """The key works no more. Revoking twice changes nothing."""
    with transaction.atomic():
        locked = ApiKey.objects.select_for_update().get(pk=key.pk)
        if locked.revoked_at is None:
            locked.revoked_at = timezone.now()
            locked.save(update_fields=["revoked_at"])
            audit(
                actor, "api_key.revoke", f"api_key:{locked.public_id}", request_id=request_id,
                before={"name": locked.name, "owner": locked.owner.email},
            )  # fmt: skip
    return locked


def key_of(text: str) -> ApiKey | None:
    """The valid key that `text` is, with its active owner; None for every other text.

    Marks it used, at most once a minute.
    """
    found = _KEY.fullmatch(text)
    if not found:
        return None
    now = timezone.now()
    key = (
        ApiKey.objects.select_related("owner")
        .filter(Q(expires_at=None) | Q(expires_at__gt=now), prefix=found["prefix"])
        .filter(revoked_at=None, owner__is_active=True)
        .first()
    )
    if key is None or not secrets.compare_digest(key.secret_sha256, _digest(found["secret"])):
        return None
    if key.last_used_at is None or now - key.last_used_at > _TOUCH_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
