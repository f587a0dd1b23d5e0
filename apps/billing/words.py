"""The languages of documents and what differs by language: dates, separators, names of things.

Figures are written with Western digits in every language, so that a number on paper can be compared
letter by letter. Dates are CLDR's, through Babel.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from babel import Locale
from babel.dates import format_date, format_skeleton
from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from tenants.figures import active_marks, money_text, percent_text

# code → (Babel's locale, the language's own name). Each has a catalogue in locale/.
LANGUAGES: dict[str, tuple[str, str]] = {
    "en": ("en", "English"),
    "ar": ("ar", "العربية"),
    "zh-hans": ("zh_Hans", "简体中文"),
}
DEFAULT = "en"
# Countries that write Chinese in traditional characters read English here, not the simplified ones.
_TRADITIONAL = frozenset({"zh-hant", "zh-tw", "zh-hk", "zh-mo"})

KINDS: dict[str, str | Promise] = {
    "performance": _("Performance fee"),
    "management": _("Management fee"),
    "volume": _("Volume commission"),
    "rebate": _("Rebate"),
    "joining": _("Joining fee"),
    "exit": _("Early-exit fee"),
    "minimum": _("Minimum fee"),
}


def language_for(wanted: str) -> str:
    """The document language nearest to a person's: "ar-AE" → "ar", "zh_CN" → "zh-hans"."""
    code = wanted.strip().lower().replace("_", "-")
    if code in LANGUAGES:
        return code
    if code in _TRADITIONAL:
        return DEFAULT
    head = code.partition("-")[0]
    return next((known for known in LANGUAGES if known.partition("-")[0] == head), DEFAULT)


def charge_name(kind: str) -> str:
    """What a charge is called on paper, in the active language; its own code when not listed."""
    return str(KINDS.get(kind) or kind.replace("_", " ").capitalize())


def active_locale() -> Locale:
    """Babel's locale of the active language."""
    return Locale.parse(LANGUAGES[language_for(get_language() or DEFAULT)][0])


def money(minor: int, currency: str, *, signed: bool = False) -> str:
    """ "1,234.56 USD"."""
    return f"{money_text(minor, currency, active_marks(), signed=signed)} {currency}"


def percent(ratio: str) -> str:
    """A ratio with the places it has: "0.2" → "20%", "0.125" → "12.5%"."""
    places = max(0, -int((Decimal(ratio) * 100).normalize().as_tuple().exponent))
    return percent_text(Decimal(ratio), places, active_marks())


def day(value: date) -> str:
    """ "October 31, 2026", "31 أكتوبر 2026", "2026年10月31日"."""
    return format_date(value, "long", locale=active_locale())


def month(value: date) -> str:
    """ "October 2026", "أكتوبر 2026", "2026年10月"."""
    return str(format_skeleton("yMMMM", value, locale=active_locale()))


def moment(value: datetime) -> str:
    """The same in every language, to compare with the record: "2026-10-31 23:59"."""
    return f"{value:%Y-%m-%d %H:%M}"
