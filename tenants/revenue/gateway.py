"""The real Stripe client, made from the environment; None without keys: billing is by hand then."""

from __future__ import annotations

import functools

import stripe
from django.conf import settings

from tenants.errors import TenantError

RETRIES = 2  # of requests that Stripe never saw or may safely see twice


def is_configured() -> bool:
    return bool(settings.STRIPE_SECRET_KEY)


def gateway() -> stripe.StripeClient:
    """Raises TenantError("stripe_absent") without keys."""
    if not is_configured():
        raise TenantError("stripe_absent", "No Stripe key is set: billing is by hand.")
    return _client(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE)


@functools.cache
def _client(key: str, base: str) -> stripe.StripeClient:
    # The client says api_base by options; another base serves a test's or a region's server.
    addresses: stripe._base_address.BaseAddresses = {"api": base} if base else {}
    return stripe.StripeClient(key, base_addresses=addresses, max_network_retries=RETRIES)
