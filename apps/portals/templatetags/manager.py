"""Tags of the manager's templates."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import template
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Link
from apps.allocation.models import Block
from tenants.figures import active_marks, decimal_text

register = template.Library()

_STATE_TONES = {
    Block.State.PENDING: "wait",
    Block.State.SENT: "info",
    Block.State.OPEN: "ok",
    Block.State.REJECTED: "bad",
}
_LINK_TONES = {
    Link.Status.ACTIVE: "ok",
    Link.Status.PAUSED: "wait",
    Link.Status.CLOSE_ONLY: "warn",
}
QUOTA_DIGITS = 4
TERM_WORDS = {
    "parameter": _("parameter"),
    "lots": _("lots"),
    "max_order_lots": _("order ≤"),
    "max_open_lots": _("open ≤"),
    "max_symbol_lots": _("symbol ≤"),
    "symbols": _("only"),
    "max_leverage": _("leverage ≤"),
}


@register.filter
def item(mapping: Mapping[str, Any], key: str) -> Any:
    """`mapping[key]`, or None."""
    return mapping.get(key)


@register.filter
def state_tone(state: str) -> str:
    """The badge's tone of a block's state."""
    return _STATE_TONES.get(Block.State(state), "")


@register.filter
def link_tone(status: str) -> str:
    """The badge's tone of a link's status."""
    return _LINK_TONES.get(Link.Status(status), "")


@register.filter
def parts(text: str) -> list[str]:
    """`"25,50"` as a list."""
    return text.split(",")


@register.simple_tag
def terms_in_words(params: dict[str, Any]) -> str:
    """A link's own terms on one line; empty when it has none."""
    return " · ".join(
        f"{TERM_WORDS[name]} {_told(value)}" for name, value in params.items() if name in TERM_WORDS
    )


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {of}" for key, of in sorted(value.items()))
    return ", ".join(value) if isinstance(value, list) else str(value)


@register.simple_tag
def exact_lots(steps: Decimal, volume_step: Decimal) -> str:
    """A quota (steps with fractions) in lots, to four digits: what rounding started from."""
    return decimal_text(steps * volume_step, QUOTA_DIGITS, active_marks())
