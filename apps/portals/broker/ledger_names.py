"""What a ledger account's code means to people."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext as _

from apps.accounts.models import TradingAccount, User
from apps.billing.models import LedgerAccount


def names(accounts: Iterable[LedgerAccount]) -> dict[int, str]:
    """By ledger account id; two queries for any number of them."""
    accounts = list(accounts)
    owed = {row.pk: _number(row.code, "receivable:") for row in accounts}
    owing = {row.pk: _number(row.code, "payable:manager:") for row in accounts}
    introducers = {row.pk: _number(row.code, "payable:ib:") for row in accounts}
    trading = TradingAccount.objects.select_related("owner").in_bulk(
        [number for number in owed.values() if number]
    )
    ids = [number for number in (*owing.values(), *introducers.values()) if number]
    people = User.objects.in_bulk(ids)
    found = {}
    for row in accounts:
        account, person = trading.get(owed[row.pk] or 0), people.get(owing[row.pk] or 0)
        introducer = people.get(introducers[row.pk] or 0)
        if account:
            found[row.pk] = _("Owed by account %(login)s, %(person)s") % {
                "login": account.login,
                "person": account.owner or "–",
            }
        elif person:
            found[row.pk] = _("Owed to manager %(person)s") % {"person": person}
        elif introducer:
            found[row.pk] = _("Owed to introducer %(person)s") % {"person": introducer}
        else:
            found[row.pk] = _fixed(row.code)
    return found


def _number(code: str, prefix: str) -> int | None:
    rest = code.removeprefix(prefix)
    return int(rest) if rest != code and rest.isdecimal() else None


def _fixed(code: str) -> str:
    return {
        "income:performance_fees": _("Income from performance fees"),
        "income:management_fees": _("Income from management fees"),
        "income:volume_fees": _("Income from volume commissions"),
        "income:joining_fees": _("Income from joining fees"),
        "income:exit_fees": _("Income from early-exit fees"),
        "income:minimum_fees": _("Income from minimum fees"),
        "expense:rebates": _("Volume rebates granted"),
        "cash:bank": _("Cash at the bank"),
        "exchange": _("Currency position of conversions"),
        "cash:trading_servers": _("Cash taken on trading servers"),
    }.get(code, code)
