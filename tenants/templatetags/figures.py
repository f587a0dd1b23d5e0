"""Template tags for figures: every number in a `.num` span, signed P&L with a mark, ages.

{% load figures %}
{% money 123456 "USD" %}  {% pnl -500 "EUR" %}  {% price 108542 5 %}  {% lots 130 volume_step %}
{% percent ratio 2 %}  {% signed_percent ratio 2 %}  {% count 12345 %}  {% at_time when %}
{% freshness at_ms %}
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from tenants import figures

register = template.Library()
NOTHING = "–"
PNL_MARKS = {"up": "▲", "down": "▼", "flat": "•", "none": ""}


def _attrs(live: str, width: int) -> SafeString:
    """`live` names the figure for dom.js to patch; `width` keeps its room, in ch (8, 12, 16)."""
    pairs = [("data-live", live)] if live else []
    return format_html_join("", ' {}="{}"', pairs) if pairs else SafeString("")


def _num(text: str, unit: str = "", live: str = "", width: int = 0) -> SafeString:
    room = f" num--w{width}" if width else ""
    tail = format_html(' <span class="unit">{}</span>', unit) if unit else ""
    return format_html(
        '<span class="num{}"{}><span data-figure>{}</span>{}</span>',
        room,
        _attrs(live, width),
        text,
        tail,
    )


@register.simple_tag
def money(minor: int | None, currency: str, live: str = "", width: int = 0) -> SafeString:
    """Minor units and the currency's code; a dash when there is no amount."""
    if minor is None:
        return _num(NOTHING, currency, live, width)
    return _num(figures.money_text(minor, currency, figures.active_marks()), currency, live, width)


@register.simple_tag
def pnl(minor: int | None, currency: str, live: str = "", width: int = 0) -> SafeString:
    """Profit or loss: mark, sign, amount, currency. Colour only repeats what they say."""
    value = minor or 0
    text = (
        NOTHING
        if minor is None
        else figures.money_text(value, currency, figures.active_marks(), signed=True)
    )
    sign = "none" if minor is None else figures.sign_name(value)
    return _marked(text, currency, sign, live, width)


def _marked(text: str, unit: str, sign: str, live: str, width: int) -> SafeString:
    return format_html(
        '<span class="num pnl{}" data-sign="{}"{}><span class="pnl-mark" aria-hidden="true">{}'
        "</span><span data-figure>{}</span>{}</span>",
        f" num--w{width}" if width else "",
        sign,
        _attrs(live, width),
        PNL_MARKS[sign],
        text,
        format_html(' <span class="unit">{}</span>', unit) if unit else "",
    )


@register.simple_tag
def price(points: int | None, digits: int, live: str = "") -> SafeString:
    """A price from points."""
    if points is None:
        return _num(NOTHING, live=live)
    return _num(figures.price_text(points, digits, figures.active_marks()), live=live)


@register.simple_tag
def price_of(value: Decimal | None, digits: int, live: str = "") -> SafeString:
    """A price from a Decimal."""
    if value is None:
        return _num(NOTHING, live=live)
    marks = figures.active_marks()
    return _num(figures.decimal_text(value, digits, marks, grouped=False), live=live)


@register.simple_tag
def lots(steps: int | None, volume_step: Decimal | str, live: str = "") -> SafeString:
    """Volume steps as lots, with the unit."""
    unit = gettext("lots")
    if steps is None:
        return _num(NOTHING, unit, live)
    text = figures.lots_text(steps, Decimal(volume_step), figures.active_marks())
    return _num(text, unit, live)


@register.simple_tag
def percent(ratio: Decimal | None, digits: int = 2, live: str = "") -> SafeString:
    """A ratio as per cent."""
    if ratio is None:
        return _num(NOTHING, live=live)
    return _num(figures.percent_text(Decimal(ratio), digits, figures.active_marks()), live=live)


@register.simple_tag
def signed_percent(ratio: Decimal | None, digits: int = 2, live: str = "") -> SafeString:
    """A change as per cent, with mark and sign."""
    value = Decimal(ratio) if ratio is not None else Decimal(0)
    marks = figures.active_marks()
    text = figures.percent_text(value, digits, marks, signed=True)
    if ratio is None:
        return _marked(NOTHING, "", "none", live, 0)
    return _marked(text, "", figures.sign_name(value), live, 0)


@register.simple_tag
def count(value: int | None, unit: str = "", live: str = "") -> SafeString:
    """A whole number, grouped."""
    if value is None:
        return _num(NOTHING, unit, live)
    return _num(figures.scaled_text(value, 0, figures.active_marks()), unit, live)


@register.simple_tag
def at_time(when: datetime | int | None) -> SafeString:
    """A moment in UTC to the second, as <time>; accepts a datetime or UTC milliseconds."""
    if when is None:
        return _num(NOTHING)
    moment = datetime.fromtimestamp(when / 1000, UTC) if isinstance(when, int) else when
    moment = moment.astimezone(UTC)
    return format_html(
        '<time class="num" datetime="{}">{} <span class="unit">UTC</span></time>',
        moment.isoformat(timespec="seconds"),
        moment.strftime("%Y-%m-%d %H:%M:%S"),
    )


@register.simple_tag
def mark(name: str) -> str:
    """A separator of the active language: 'decimal' or 'group' (for <html data-…>)."""
    return str(getattr(figures.active_marks(), name))


@register.inclusion_tag("components/freshness.html")
def freshness(
    at_ms: int | None = None, live: str = "", stale_after_ms: int = 5000
) -> dict[str, object]:
    """The pill that says how old the data is. Without `at_ms` it says it is connecting."""
    if at_ms is None:
        empty = {"state": "connecting", "at_ms": "", "age": ""}
        return {**empty, "live": live, "stale": stale_after_ms}
    age_ms = int(time.time() * 1000) - at_ms
    state = "stale" if age_ms > stale_after_ms else "live"
    age = figures.age_text(age_ms)
    return {"state": state, "at_ms": at_ms, "age": age, "live": live, "stale": stale_after_ms}
