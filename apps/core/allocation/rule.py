"""The rule of an allocation (method + options) and the stable table of reason codes.

A `Rule` is what gets recorded before the order is sent; `as_dict` / `from_dict` is its JSON form.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import IntEnum, StrEnum
from typing import Any, Self

from apps.core.errors import InputError


class Method(StrEnum):
    """How lots follow from the accounts (math.md §1)."""

    BALANCE = "balance"
    EQUITY = "equity"
    EQUAL = "equal"
    PERCENT = "percent"
    LOT_FIXED = "lot_fixed"
    LOT_WEIGHTS = "lot_weights"
    RATIO = "ratio"  # master lots × ratio
    RATIO_EQUITY = "ratio_equity"  # … × investor equity / master equity
    RATIO_BALANCE = "ratio_balance"  # … × investor balance / master balance
    EQUITY_PERCENT = "equity_percent"
    EQUITY_PERCENT_SHARE = "equity_percent_share"  # its conserving convention (weighted_share)
    RISK_PERCENT = "risk_percent"
    CUSTOM = "custom"


CONSERVING = frozenset(
    {
        Method.BALANCE,
        Method.EQUITY,
        Method.EQUAL,
        Method.PERCENT,
        Method.LOT_WEIGHTS,
        Method.EQUITY_PERCENT_SHARE,
    }
)


class ResidualPolicy(StrEnum):
    LARGEST_REMAINDER = "largest_remainder"
    LARGEST_WEIGHT_FIRST = "largest_weight_first"
    ROUND_ROBIN = "round_robin"
    OVERFLOW_ACCOUNT = "overflow_account"


class BelowMin(StrEnum):
    SKIP = "skip"
    SKIP_REDISTRIBUTE = "skip_redistribute"
    BUMP_TO_MIN = "bump_to_min"


class CapPolicy(StrEnum):
    CLIP = "clip"
    CLIP_REDISTRIBUTE = "clip_redistribute"


class Rounding(StrEnum):
    DOWN = "down"
    NEAREST_HALF_UP = "nearest_half_up"


class ManualPolicy(StrEnum):
    REPLACE = "replace"
    WITHIN_BLOCK = "within_block"


class Reason(IntEnum):
    """Why an account's steps are what they are. Numbers are recorded: never renumber."""

    ALLOCATED = 0  # the rounded quota
    RAISED_TO_MIN = 1
    MANUAL = 2
    REDIVIDED = 3  # other than the rounded quota because others were clipped, skipped or raised
    CAP_ACCOUNT = 10  # most lots per order of this account
    CAP_OPEN_LOTS = 11  # most open lots of this account
    CAP_SYMBOL = 12  # most lots in this symbol (account or symbol limit)
    CAP_LEVERAGE = 13
    CAP_MARGIN = 14
    CAP_ORDER = 15  # the server's largest order
    CAP_BELOW_MIN = 19  # a cap left less than the minimum lot: nothing is sent
    BELOW_MIN = 20
    ROUNDED_TO_ZERO = 21
    PAUSED = 30
    DETACHED = 31
    CLOSE_ONLY = 32
    SYMBOL_NOT_ALLOWED = 33
    NO_EQUITY = 34  # the money the method weighs by is zero or negative
    NO_PARAMETER = 35  # percent, lots, ratio … of this link is zero
    BLOCKED = 36  # equity protection stopped this account
    NO_RATE = 37  # no conversion rate into the common currency

    @property
    def clips(self) -> bool:
        return Reason.CAP_ACCOUNT <= self <= Reason.CAP_BELOW_MIN

    @property
    def excludes(self) -> bool:
        return self >= Reason.PAUSED


@dataclass(frozen=True, slots=True)
class Rule:
    """Method and options; the defaults are math.md's. `custom` names a registered custom rule."""

    method: Method = Method.EQUITY
    residual_policy: ResidualPolicy = ResidualPolicy.LARGEST_REMAINDER
    below_min: BelowMin = BelowMin.SKIP
    cap_policy: CapPolicy = CapPolicy.CLIP
    rounding: Rounding = Rounding.DOWN
    manual_policy: ManualPolicy = ManualPolicy.REPLACE
    carry_forward: bool = True
    overflow_account_id: int | None = None
    custom: str = ""

    def __post_init__(self) -> None:
        for field, enum in _ENUMS.items():
            value = getattr(self, field)
            try:
                object.__setattr__(self, field, enum(value))
            except ValueError:
                raise InputError(
                    "bad_rule_option",
                    f"{field} is one of {', '.join(enum)}, not {value!r}",
                    field=field,
                    value=str(value),
                ) from None
        if (self.residual_policy is ResidualPolicy.OVERFLOW_ACCOUNT) != (
            self.overflow_account_id is not None
        ):
            raise InputError(
                "bad_rule_option",
                "overflow_account_id goes with residual_policy overflow_account, and only with it",
                field="overflow_account_id",
            )
        if (self.method is Method.CUSTOM) != bool(self.custom):
            raise InputError(
                "bad_rule_option", "method custom needs the rule's name", field="custom"
            )

    @property
    def conserving(self) -> bool:
        """Whether the block's volume is given and divided (else it is the sum of the shares).

        A custom rule answers whole shares and declares its own family: `custom.CustomRule`.
        """
        return self.method in CONSERVING

    @property
    def uses_carry(self) -> bool:
        """Carry-forward belongs to the largest remainder; the other policies have none."""
        return self.carry_forward and self.residual_policy is ResidualPolicy.LARGEST_REMAINDER

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, all options spelled out."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of `as_dict`; absent options take their default, unknown ones are errors."""
        unknown = sorted(set(data) - set(cls.__dataclass_fields__))
        if unknown:
            raise InputError("bad_rule_option", f"unknown option {unknown[0]!r}", field=unknown[0])
        return cls(**data)


_ENUMS: dict[str, type[StrEnum]] = {
    "method": Method,
    "residual_policy": ResidualPolicy,
    "below_min": BelowMin,
    "cap_policy": CapPolicy,
    "rounding": Rounding,
    "manual_policy": ManualPolicy,
}
