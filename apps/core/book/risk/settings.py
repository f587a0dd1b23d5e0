"""What a party may ask for: the limits of an account, of every account, or of the master."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal

import msgspec

from apps.core.errors import ForbiddenError, InputError
from apps.core.protection import DailyBase

Party = Literal["investor", "manager", "broker"]
Scope = Literal["account", "every_account", "master"]
StopReason = Literal[
    "equity_stop", "trailing_percent", "trailing_amount", "end_of_day", "daily_loss", "manual"
]
StopPhase = Literal["close_only", "cancelling", "closing", "verifying", "blocked"]
PARTIES: tuple[Party, ...] = ("investor", "manager", "broker")
PERCENT_SCALE = 10**6
LEVERAGE_SCALE = 10**8
MOST_MINOR = 10**15
_LIFTERS: dict[Party, tuple[Party, ...]] = {
    "investor": ("investor", "broker"),
    "manager": ("manager", "broker"),
    "broker": ("broker",),
}
_SETTERS: dict[Scope, tuple[Party, ...]] = {
    "account": ("investor", "manager", "broker"),
    "every_account": ("manager", "broker"),
    "master": ("manager", "broker"),
}


class Protection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One party's limits, each None where it sets none. Of several parties the strictest holds.

    Equity at or below a level stops. Money is minor units of the account's currency (of the
    book's, for the master): stop_equity_minor a fixed level; trailing_percent and trailing_minor
    below the highest equity; end_of_day_minor below max(initial, highest end-of-day balance);
    daily_loss_percent by `daily_base` (apps.core.protection). The last two bound openings and
    stop nothing: margin_level_min_pct the least margin level an opening may leave, max_leverage
    notional over equity.
    """

    stop_equity_minor: int | None = None
    trailing_percent: Decimal | None = None
    trailing_minor: int | None = None
    end_of_day_minor: int | None = None
    daily_loss_percent: Decimal | None = None
    daily_base: DailyBase = DailyBase.INITIAL
    margin_level_min_pct: int | None = None
    max_leverage: Decimal | None = None

    @property
    def stops(self) -> bool:
        """Whether any limit stops trading (and so needs watching)."""
        return any(value is not None for _, value in self._stopping())

    def _stopping(self) -> Iterator[tuple[str, object]]:
        yield "stop_equity_minor", self.stop_equity_minor
        yield "trailing_percent", self.trailing_percent
        yield "trailing_minor", self.trailing_minor
        yield "end_of_day_minor", self.end_of_day_minor
        yield "daily_loss_percent", self.daily_loss_percent


NO_PROTECTION = Protection()


def check_protection(protection: Protection, scope: Scope) -> Protection:
    """`protection` as given. Raises InputError `protection_invalid` that names the field."""
    for name in ("trailing_percent", "daily_loss_percent"):
        _check_percent(name, getattr(protection, name))
    for name in ("trailing_minor", "end_of_day_minor", "stop_equity_minor"):
        amount = getattr(protection, name)
        least = 0 if name == "stop_equity_minor" else 1
        if amount is not None and not least <= amount <= MOST_MINOR:
            raise _invalid(name, f"{name} is from {least} to {MOST_MINOR} minor units.")
        if amount is not None and scope == "every_account":
            raise _invalid(name, "Limits of every account are percentages: currencies differ.")
    level, leverage = protection.margin_level_min_pct, protection.max_leverage
    if level is not None and not 100 <= level <= 100_000:
        raise _invalid("margin_level_min_pct", "A least margin level is 100 to 100000 per cent.")
    if leverage is not None:
        is_exact = leverage.is_finite() and leverage * LEVERAGE_SCALE % 1 == 0
        if not is_exact or not 0 < leverage <= 10_000:
            raise _invalid("max_leverage", "A largest leverage is above 0, at most 10000.")
    if scope == "master" and (level is not None or leverage is not None):
        raise _invalid("max_leverage", "Margin and leverage are limits of accounts.")
    return protection


def _check_percent(name: str, value: Decimal | None) -> None:
    if value is None:
        return
    if not value.is_finite() or not 0 < value < 100 or value * PERCENT_SCALE % 1 != 0:
        raise _invalid(name, f"{name} is between 0 and 100, in steps of 1/{PERCENT_SCALE}.")


def _invalid(field: str, message: str) -> InputError:
    return InputError("protection_invalid", message, field=field)


def protection_from_json(data: dict[str, Any], scope: Scope) -> Protection:
    """Decimals as strings, money as integers of minor units. Raises `protection_invalid`."""
    unknown = sorted(set(data) - set(Protection.__struct_fields__))
    if unknown:
        raise _invalid(unknown[0], f"There is no limit {unknown[0]!r}.")
    try:
        return check_protection(msgspec.convert(data, Protection), scope)
    except msgspec.ValidationError as error:
        raise InputError("protection_invalid", f"The limits cannot be read: {error}.") from error


def protection_as_json(protection: Protection) -> dict[str, Any]:
    """The inverse of `protection_from_json`; what is not set is left out."""
    made: dict[str, Any] = msgspec.to_builtins(protection)
    return made


def check_may_set(party: Party, scope: Scope) -> None:
    """Raises ForbiddenError `protection_not_yours`."""
    if party not in _SETTERS[scope]:
        raise ForbiddenError("protection_not_yours", f"Limits of {scope} are not an {party}'s.")


def check_may_lift(party: Party, set_by: Party) -> None:
    """A stop is lifted by whose limit it was, or by the broker. Raises ForbiddenError
    `stop_not_yours`."""
    if party not in _LIFTERS[set_by]:
        raise ForbiddenError(
            "stop_not_yours",
            f"This stop is the {set_by}'s limit: {' or '.join(_LIFTERS[set_by])} lifts it.",
            set_by=set_by,
        )
