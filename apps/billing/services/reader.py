"""The language a person reads documents in."""

from __future__ import annotations

from django.db import transaction

from apps.accounts.audit import audit
from apps.accounts.models import User
from apps.billing.words import LANGUAGES
from apps.core.errors import InputError


def set_language(user: User, language: str, *, request_id: str = "") -> None:
    """Documents issued from now on speak `language`. Raises InputError("language_unknown")."""
    if language not in LANGUAGES:
        raise InputError("language_unknown", f"No documents in {language!r}.", language=language)
    with transaction.atomic():
        row = User.objects.select_for_update().get(pk=user.pk)
        before, row.language = row.language, language
        row.save(update_fields=["language"])
        audit(
            user, "person.language", f"user:{row.public_id}", before={"language": before},
            after={"language": language}, request_id=request_id,
        )  # fmt: skip
