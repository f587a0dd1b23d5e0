"""Why an account's share is what it is: apps.core.allocation.Reason in words."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.core.allocation import Reason

_TEXTS: dict[str, Promise] = {
    "allocated": _("Allocated"),
    "raised_to_min": _("Raised to the minimum volume"),
    "manual": _("Set by hand"),
    "cap_account": _("Cap: most lots per order of this account"),
    "cap_open_lots": _("Cap: most open lots of this account"),
    "cap_symbol": _("Cap: most lots in this symbol"),
    "cap_leverage": _("Cap: leverage"),
    "cap_margin": _("Cap: free margin"),
    "cap_order": _("Cap: the server's largest order"),
    "cap_below_min": _("A cap leaves less than the minimum volume"),
    "below_min": _("Below the minimum volume"),
    "rounded_to_zero": _("Rounded to zero"),
    "paused": _("Paused"),
    "detached": _("Detached"),
    "close_only": _("Close only"),
    "symbol_not_allowed": _("Symbol not allowed"),
    "no_equity": _("No equity"),
    "no_parameter": _("No parameter"),
    "blocked": _("Stopped by equity protection"),
    "no_rate": _("No conversion rate"),
    "lots_rounded": _("Rounded to its server's volume step"),
    "leg_below_min": _("Below its server's smallest order"),
    "leg_above_max": _("Above its server's largest order"),
    "symbol_not_mapped": _("No such symbol on its server"),
    "order_too_old": _("Its server was away: never sent"),
    "no_money": _("Its server: not enough free margin"),
    "market_closed": _("Its server: the market is closed"),
    "no_quote": _("Its server: no quote"),
    "stale_quote": _("Its server: the quote is too old"),
}


def code_of(reason: int) -> str:
    """The stable code of a reason's number."""
    return Reason(reason).name.lower()


def text_of(code: str) -> Promise | str:
    """The reason in words; the code itself when a newer engine sent one we do not know."""
    return _TEXTS.get(code, code)
