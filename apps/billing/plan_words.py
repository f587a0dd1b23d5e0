"""A fee plan in words, for pages and mail, in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from django.utils.translation import gettext as _

from apps.core.fees.performance import Base, Hurdle
from apps.core.fees.terms import Every, FeeTerms, Management, Payer, Performance, Tier, Volume
from tenants.figures import active_marks, decimal_text

Row = tuple[str, str]  # what, how much


def rows_of(fees: FeeTerms) -> list[Row]:
    """What the plan charges and who shares it, a row each."""
    rows: list[Row] = []
    if fees.performance:
        rows.append((_("Performance fee"), _performance(fees.performance, fees.currency)))
    if fees.management:
        rows.append((_("Management fee"), _management(fees.management, fees.currency)))
    if fees.volume:
        rows.append((_volume_name(fees.volume), _volume(fees.volume, fees.currency)))
    if fees.joining:
        rows.append((_("Joining fee"), _sum(fees.joining.amount, fees.joining.rate, fees.currency)))
    if fees.exit:
        fee = _sum(fees.exit.amount, fees.exit.rate, fees.currency)
        within = _("%(fee)s when leaving within %(days)s days") % {
            "fee": fee, "days": fees.exit.days,
        }  # fmt: skip
        rows.append((_("Early-exit fee"), within))
    if fees.minimum:
        least = f"{_amount(fees.minimum)} {fees.currency} {_every(fees.minimum_every)}"
        rows.append((_("Minimum"), least))
    return rows or [(_("Fees"), _("none"))]


def split_row(fees: FeeTerms) -> Row:
    """Who shares the fees."""
    parts = [_("manager %(part)s") % {"part": _percent(fees.split.manager)}]
    parts += [
        _("introducer, level %(level)s: %(part)s") % {"level": level, "part": _percent(part)}
        for level, part in enumerate(fees.split.ib_levels, start=1)
    ]
    return _("Shared"), _joined([*parts, _("the broker the rest")])


def _performance(plan: Performance, currency: str) -> str:
    said = [
        _("%(rate)s of the gain above the high-water mark, %(every)s")
        % {"rate": _percent(plan.rate), "every": _every(plan.every)},
        *_tiers(plan.tiers, currency),
    ]
    if plan.hurdle_kind is not Hurdle.NONE:
        names = {
            Hurdle.HARD: _("hard hurdle of %(rate)s a year"),
            Hurdle.SOFT: _("soft hurdle of %(rate)s a year"),
            Hurdle.INVESTOR_FLOOR: _("you keep at least %(rate)s a year"),
        }
        said.append(names[plan.hurdle_kind] % {"rate": _percent(plan.hurdle)})
    if plan.base is Base.REALISED:
        said.append(_("on realised results"))
    elif plan.base is Base.REALISED_WITH_FLOATING_LOSS:
        said.append(_("on realised results and open losses"))
    if plan.lookback_periods:
        said.append(_("losses count for %(n)s periods") % {"n": plan.lookback_periods})
    if plan.hwm_basis == "gross":
        said.append(_("the mark is set before the fee"))
    if plan.withdrawal_rule == "amount":
        said.append(_("a withdrawal lowers the mark by its amount"))
    return _joined(said)


def _management(plan: Management, currency: str) -> str:
    return _joined(
        [
            _("%(rate)s a year on equity, %(count)s, charged %(every)s")
            % {
                "rate": _percent(plan.rate),
                "count": plan.day_count,
                "every": _every(plan.every),
            },
            *_tiers(plan.tiers, currency),
        ]
    )


def _volume_name(plan: Volume) -> str:
    return _("Volume rebate") if plan.payer is Payer.BROKER else _("Volume commission")


def _volume(plan: Volume, currency: str) -> str:
    per = _("a lot") if plan.unit == "lot" else _("a million USD")
    side = _("per side") if plan.sides == "side" else _("per round turn")
    return f"{_amount(plan.amount)} {currency} / {per}, {side}"


def _tiers(tiers: Sequence[Tier], currency: str) -> list[str]:
    return [
        _("%(rate)s from %(amount)s %(currency)s on")
        % {
            "rate": _percent(tier.rate),
            "amount": _amount(tier.from_amount),
            "currency": currency,
        }
        for tier in sorted(tiers, key=lambda one: one.from_amount)
    ]


def _sum(amount: Decimal, rate: Decimal, currency: str) -> str:
    parts = [f"{_amount(amount)} {currency}"] if amount else []
    if rate or not parts:
        parts.append(_("%(rate)s of the equity") % {"rate": _percent(rate)})
    return " + ".join(parts)


def _every(every: Every) -> str:
    return {
        Every.DAY: _("daily"),
        Every.WEEK: _("weekly"),
        Every.MONTH: _("monthly"),
        Every.QUARTER: _("quarterly"),
    }[every]


def _percent(ratio: Decimal) -> str:
    return f"{_plain(ratio * 100)} %"


def _amount(amount: Decimal) -> str:
    return _plain(amount)


def _plain(value: Decimal) -> str:
    exponent = value.normalize().as_tuple().exponent
    digits = max(-exponent, 0) if isinstance(exponent, int) else 0
    return decimal_text(value, digits, active_marks())


def _joined(parts: Iterable[str]) -> str:
    return "; ".join(parts)
