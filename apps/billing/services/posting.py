"""Writing a chunk of charges and all that follows from them, in the caller's transaction.

Set-based: each table gets all its rows by one COPY.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from django.db import connection, transaction
from django.db.models import Prefetch

from apps.accounts.audit import audit
from apps.accounts.models import Link, Master, User
from apps.billing.arrays import array
from apps.billing.compute import Charge, Item, Kind
from apps.billing.models import (
    Document,
    Entry,
    FeeCharge,
    FeeRun,
    FeeShare,
    HighWaterMark,
    LedgerAccount,
)
from apps.billing.selectors.daily import Day
from apps.billing.services.copying import analyse, copy_rows, next_ids
from apps.billing.services.documents import NewStatement, issue_statements
from apps.billing.services.ledger import (
    REBATES,
    NewEntry,
    fees_charged,
    payable,
    post,
    receivable,
)
from apps.billing.site import site_of
from apps.billing.statement import statement_data
from tenants.brand import tokens_of
from tenants.models import Broker

MANY = 500
BROKER_INCOME = {kind: f"income:{kind}_fees" for kind in Kind}
_CHARGE = (
    "id", "public_id", "run_id", "link_id", "plan_id", "kind", "window_from", "window_to",
    "currency", "equity_minor", "hwm_before", "hwm_after", "amount_minor", "collected_minor",
    "figures", "state", "created_at",
)  # fmt: skip
_SHARE = ("charge_id", "party", "level", "user_id", "amount_minor")
_MARK = (
    "link_id", "charge_id", "at", "reason", "equity_minor", "amount_minor", "fee_minor", "before",
    "after",
)  # fmt: skip

_DAYS = """
INSERT INTO billing_dailyequity (link_id, day, equity_minor)
SELECT * FROM unnest(%s::bigint[], %s::date[], %s::bigint[]) ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class _Row:
    """One charge to write: an item of a settlement."""

    id: int
    public_id: uuid.UUID
    settled: Charge
    item: Item
    leads: bool  # the settlement's first charge carries its mark and its statement


def post_charges(
    run: FeeRun, charges: Sequence[Charge], broker: Broker, actor: User | None, now: datetime
) -> int:
    """Charges with shares, marks, ledger entries, statements and one audit entry; how many."""
    assert transaction.get_connection().in_atomic_block, "post_charges() outside a transaction"
    rows = _rows(charges)
    if not rows:
        return 0
    copy_rows(FeeCharge, _CHARGE, (_charge(row, run, now) for row in rows))
    copy_rows(FeeShare, _SHARE, (share for row in rows for share in _shares(row)))
    copy_rows(HighWaterMark, _MARK, (mark for row in rows if row.leads for mark in _marks(row)))
    post(_entries(rows, run))
    _issue([row for row in rows if row.leads], broker, run, now)
    if len(rows) >= MANY:
        analyse(FeeCharge, Entry, LedgerAccount, Document)
    audit(
        actor,
        "fees.post",
        f"fee_run:{run.public_id}",
        after={"period": run.key, "charges": len(rows), "first": rows[0].id, "last": rows[-1].id},
    )
    return len(rows)


def keep_days(days: Iterable[Day]) -> None:
    """Keep the daily equity that fees accrue on; a day kept before stays as it is."""
    rows = list(days)
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(_DAYS, [array(column) for column in zip(*rows, strict=True)])


def _rows(charges: Sequence[Charge]) -> list[_Row]:
    items = [(charge, item) for charge in charges for item in _leading_first(charge.items)]
    ids = next_ids(FeeCharge, len(items)) if items else []
    made, last = [], None
    for number, (charge, item) in zip(ids, items, strict=True):
        made.append(_Row(number, uuid.uuid4(), charge, item, charge is not last))
        last = charge
    return made


def _leading_first(items: Sequence[Item]) -> list[Item]:
    """The performance fee first where there is one: its charge carries mark and statement."""
    return sorted(items, key=lambda item: item.kind is not Kind.PERFORMANCE)


def _charge(row: _Row, run: FeeRun, now: datetime) -> tuple[Any, ...]:
    settled, item = row.settled, row.item
    window, is_mark = settled.window, item.kind is Kind.PERFORMANCE
    figures = {**(settled.figures.as_json() if row.leads else {}), **item.explain}
    return (
        row.id, row.public_id, run.pk, window.link_id, settled.terms.plan_id, item.kind,
        window.starts_at, window.ends_at, window.currency, settled.figures.equity_minor,
        settled.hwm_opening if is_mark else None, settled.hwm_after if is_mark else None,
        item.amount_minor, 0, orjson.dumps(figures).decode(), _state(item), now,
    )  # fmt: skip


def _state(item: Item) -> str:
    """A rebate is the broker's to pay: nothing is collected from the account."""
    is_owed = item.amount_minor and item.kind is not Kind.REBATE
    return FeeCharge.State.DUE if is_owed else FeeCharge.State.NOTHING


def _shares(row: _Row) -> list[tuple[Any, ...]]:
    if not row.item.amount_minor:
        return []
    made: list[tuple[Any, ...]] = [
        (row.id, party.role, party.level, party.user_id, amount)
        for party, amount in row.item.shares
    ]
    if row.item.kind is not Kind.REBATE:
        made.append((row.id, FeeShare.Party.BROKER, 0, None, row.item.broker_minor))
    return made


def _marks(row: _Row) -> list[tuple[Any, ...]]:
    settled, link_id = row.settled, row.settled.window.link_id
    made: list[tuple[Any, ...]] = []
    if settled.steps and settled.window.hwm is None:
        made.append(
            (link_id, row.id, settled.window.starts_at, HighWaterMark.Reason.OPENING,
             settled.window.opening.net_minor, 0, 0, None, settled.hwm_opening)
        )  # fmt: skip
    made += [
        (link_id, row.id, step.at, step.kind, step.equity_minor, step.amount_minor,
         step.fee_minor, step.before, step.after)
        for step in settled.steps
    ]  # fmt: skip
    return made


def _entries(rows: Sequence[_Row], run: FeeRun) -> list[NewEntry]:
    """One entry a currency: what each account owes, what each party is owed for all of them."""
    sums: dict[str, dict[str, int]] = {}
    for row in rows:
        window, item = row.settled.window, row.item
        if not item.amount_minor:
            continue
        by_code = sums.setdefault(window.currency, {})
        is_rebate = item.kind is Kind.REBATE
        debit = REBATES if is_rebate else receivable(window.account_id)
        by_code[debit] = by_code.get(debit, 0) + item.amount_minor
        for party, amount in item.shares:
            code = payable(party.role, party.user_id)
            by_code[code] = by_code.get(code, 0) - amount
        if not is_rebate:
            code = BROKER_INCOME[item.kind]
            by_code[code] = by_code.get(code, 0) - item.broker_minor
    first = rows[0].id
    return [
        fees_charged(f"run:{run.public_id}:{first}:{currency}", run.ends_at, run.key, currency, one)
        for currency, one in sums.items()
    ]


def _issue(rows: Sequence[_Row], broker: Broker, run: FeeRun, now: datetime) -> None:
    brand, site = tokens_of(broker), site_of(broker)
    found = _links([row.settled.window.link_id for row in rows])
    statements = []
    for row in rows:
        link = found[row.settled.window.link_id]
        if link.account.owner is None:
            continue
        data = statement_data(
            row.settled, link, brand, zone=broker.time_zone, period=run.key, site=site
        )
        statements.append(NewStatement(FeeCharge(id=row.id, run=run), link.account.owner, data))
    if statements:
        year = now.astimezone(ZoneInfo(broker.time_zone)).year
        issue_statements(broker.legal_name, year, statements, now)


def _links(wanted: Sequence[int]) -> dict[int, Link]:
    """With accounts, owners and masters. Servers and managers are few: each is one object."""
    few = Prefetch("master", Master.objects.select_related("manager"))
    links = Link.objects.prefetch_related(few, "account__server").select_related("account__owner")
    if len(wanted) < MANY:
        return links.in_bulk(wanted)
    # A run takes links in order of id: a stretch of them, not a list of thousands of ids.
    return {link.pk: link for link in links.filter(pk__gte=min(wanted), pk__lte=max(wanted))}
