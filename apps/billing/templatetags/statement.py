"""Amounts and dates of documents and their e-mail, in the reader's language."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language_bidi

from apps.billing import words
from tenants.figures import active_marks, money_text

register = template.Library()
FIRST_STRONG, POP = "\u2068", "\u2069"


@register.simple_tag
def plain_money(minor: int, currency: str) -> str:
    """ "1,234.56 USD", without markup."""
    return words.money(minor, currency)


@register.simple_tag
def amount(minor: int, currency: str) -> SafeString:
    """An amount with its unit, read from left to right in every language."""
    return _amount(minor, currency)


@register.simple_tag
def signed_amount(minor: int, currency: str) -> SafeString:
    """The same with + or −."""
    return _amount(minor, currency, signed=True)


@register.simple_tag
def taken_amount(minor: int, currency: str) -> SafeString:
    """A fee as what it takes off the equity: −267.00; 0.00 when there is none."""
    return _amount(-minor, currency)


@register.simple_tag
def day_text(when: datetime) -> str:
    """A day in words: "October 31, 2026"."""
    return words.day(when)


@register.simple_tag
def moment_text(when: datetime, seconds: bool = False) -> str:
    """ "2026-10-31 23:59"; with `seconds` to stand inside a sentence, kept in its order there."""
    return isolated(f"{words.moment(when)}:{when:%S}") if seconds else words.moment(when)


@register.filter
def isolated(text: str) -> str:
    """Text that keeps its own direction inside a right-to-left page (Unicode FSI … PDI)."""
    return f"{FIRST_STRONG}{text}{POP}" if get_language_bidi() and text else text


def _amount(minor: int, currency: str, *, signed: bool = False) -> SafeString:
    text = money_text(minor, currency, active_marks(), signed=signed)
    return format_html('<span class="num">{} <span class="unit">{}</span></span>', text, currency)
