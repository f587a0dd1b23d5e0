"""State machines of billing, one table each. Unknown (state, event) raises StateError."""

from __future__ import annotations

from collections.abc import Mapping

from apps.core.errors import StateError

Table = Mapping[tuple[str, str], str]

# A run may be repeated: it posts what is missing and changes nothing that is there.
RUN: Table = {
    ("created", "post"): "posting",
    ("posting", "post"): "posting",  # resumed after a kill
    ("posting", "posted"): "posted",
    ("posted", "post"): "posting",
}

# A proposed version of a fee plan.
PLAN_CHANGE: Table = {
    ("proposed", "approve"): "approved",
    ("proposed", "reject"): "rejected",
    ("proposed", "withdraw"): "withdrawn",
}

# What became of a charge's money.
CHARGE: Table = {
    ("due", "collect"): "collecting",
    ("due", "nothing_free"): "receivable",
    ("due", "reverse"): "reversed",
    ("receivable", "nothing_free"): "receivable",
    ("receivable", "collect"): "collecting",
    ("receivable", "reverse"): "reversed",
    ("receivable", "reverse_part"): "refund_due",
    ("collecting", "unknown"): "collecting",
    ("collecting", "collected"): "collected",
    ("collecting", "part_collected"): "receivable",
    ("collecting", "rejected"): "receivable",
    ("collected", "reverse_part"): "refund_due",
    ("nothing", "reverse"): "reversed",
    ("refund_due", "collect"): "refunding",
    ("refunding", "unknown"): "refunding",
    ("refunding", "rejected"): "refund_due",
    ("refunding", "collected"): "reversed",
}

# One balance operation on the trading server, known by its command id.
COLLECTION: Table = {
    ("collecting", "unknown"): "collecting",
    ("collecting", "collected"): "collected",
    ("collecting", "rejected"): "rejected",
}

# One document to one address. `sending` is a claim; a claim that went silent is taken again.
DELIVERY: Table = {
    ("queued", "claim"): "sending",
    ("sending", "claim"): "sending",
    ("sending", "sent"): "sent",
    ("sending", "retry"): "queued",
    ("sending", "failed"): "failed",
    ("failed", "requeue"): "queued",
    ("sent", "bounced"): "bounced",
    ("bounced", "requeue"): "queued",
}


def step(table: Table, state: str, event: str) -> str:
    """The state after `event`; StateError("no_transition") when the table has no such row."""
    try:
        return table[(state, event)]
    except KeyError:
        raise StateError(
            "no_transition", f"{event!r} is not possible in state {state!r}.", state=state
        ) from None
