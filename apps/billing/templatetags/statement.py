"""Amounts as plain text, for messages without markup."""

from __future__ import annotations

from django import template

from tenants.figures import active_marks, money_text

register = template.Library()


@register.simple_tag
def plain_money(minor: int, currency: str) -> str:
    """ "1,234.56 USD"."""
    return f"{money_text(minor, currency, active_marks())} {currency}"
