"""The broker's standing with the platform, as an error of the rooms' tree."""

from __future__ import annotations

from apps.core.errors import ForbiddenError
from tenants.standing import Capability, refusal

__all__ = ["Capability", "require"]


def require(capability: Capability) -> None:
    """Raises ForbiddenError: subscription_read_only, subscription_suspended."""
    refused = refusal(capability)
    if refused is not None:
        raise ForbiddenError(refused.code, refused.message)
