"""A subscription's life: one table. Unknown (state, event) raises.

    trial ──▶ active ◀─ paid, from anywhere
      └─time──▶ grace ──time──▶ read_only ──time──▶ suspended

`time` is the state's own deadline. `unpaid` is a failed payment, `cancelled` the end of the
contract, `extended` more time given by staff.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from tenants.errors import TenantError
from tenants.models import Broker

SUBSCRIPTION: Mapping[tuple[str, str], str] = {
    ("trial", "paid"): "active",
    ("trial", "unpaid"): "grace",
    ("trial", "cancelled"): "read_only",
    ("trial", "time"): "grace",
    ("trial", "extended"): "trial",
    ("active", "paid"): "active",
    ("active", "unpaid"): "grace",
    ("active", "cancelled"): "read_only",
    ("active", "time"): "grace",
    ("active", "extended"): "active",
    ("grace", "paid"): "active",
    ("grace", "unpaid"): "grace",
    ("grace", "cancelled"): "read_only",
    ("grace", "time"): "read_only",
    ("grace", "extended"): "grace",
    ("read_only", "paid"): "active",
    ("read_only", "unpaid"): "read_only",
    ("read_only", "cancelled"): "read_only",
    ("read_only", "time"): "suspended",
    ("read_only", "extended"): "grace",
    ("suspended", "paid"): "active",
    ("suspended", "unpaid"): "suspended",
    ("suspended", "cancelled"): "suspended",
    ("suspended", "extended"): "grace",
}

# How long a state lasts by itself; the others have their own end or none.
LASTS: Mapping[str, timedelta] = {
    "grace": timedelta(days=7),
    "read_only": timedelta(days=14),
}

# What the broker's row says, where every request reads it. A trial stays a sandbox.
BROKER_STATUS: Mapping[str, str] = {
    "trial": Broker.Status.SANDBOX,
    "active": Broker.Status.LIVE,
    "grace": Broker.Status.LIVE,
    "read_only": Broker.Status.READ_ONLY,
    "suspended": Broker.Status.SUSPENDED,
}

# Stripe's status of a subscription → our event.
STRIPE_EVENTS: Mapping[str, str] = {
    "trialing": "paid",
    "active": "paid",
    "past_due": "unpaid",
    "incomplete": "unpaid",
    "paused": "unpaid",
    "unpaid": "cancelled",
    "canceled": "cancelled",
    "incomplete_expired": "cancelled",
}


def step(state: str, event: str) -> str:
    """The state after `event`; TenantError("no_transition") when the table has no such row."""
    try:
        return SUBSCRIPTION[(state, event)]
    except KeyError:
        raise TenantError(
            "no_transition", f"{event!r} is not possible in state {state!r}."
        ) from None
