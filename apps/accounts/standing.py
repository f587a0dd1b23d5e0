"""The broker's standing with the platform, as an error of the rooms' tree."""

from __future__ import annotations

from django.db import InterfaceError, OperationalError, connection

from apps.core.errors import ForbiddenError, UnavailableError
from tenants.standing import Capability, refusal

__all__ = ["Capability", "require"]


def require(capability: Capability) -> None:
    """Raises ForbiddenError: subscription_read_only, subscription_suspended; UnavailableError
    `no_database`: nothing was asked of anybody, so it may be tried again."""
    try:
        refused = refusal(capability)
    except (OperationalError, InterfaceError) as error:
        connection.close_if_unusable_or_obsolete()  # else the dead session fails for ever
        raise UnavailableError(
            "no_database", "The database does not answer now; nothing was sent. Try again."
        ) from error
    if refused is not None:
        raise ForbiddenError(refused.code, refused.message)
