"""Writing a chunk of charges and all that follows from them, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import transaction

from apps.accounts.audit import audit
from apps.accounts.models import Link, User
from apps.billing.compute import Charge
from apps.billing.models import FeeCharge, FeeRun, FeeShare, HighWaterMark
from apps.billing.periods import Period
from apps.billing.services.documents import NewStatement, issue_statements
from apps.billing.services.ledger import NewEntry, fee_charged, post
from apps.billing.site import site_of
from apps.billing.statement import statement_data
from tenants.brand import tokens_of
from tenants.models import Broker

BROKER_INCOME = "income:performance_fees"


def post_charges(
    run: FeeRun,
    charges: Sequence[Charge],
    links: Mapping[int, Link],
    broker: Broker,
    actor: User | None,
    now: datetime,
) -> list[FeeCharge]:
    """Charges with shares, marks, ledger entries, statements and one audit entry."""
    assert transaction.get_connection().in_atomic_block, "post_charges() outside a transaction"
    if not charges:
        return []
    rows = FeeCharge.objects.bulk_create(_row(run, charge) for charge in charges)
    pairs = list(zip(rows, charges, strict=True))
    FeeShare.objects.bulk_create(
        share for row, charge in pairs for share in _shares(row, charge, links)
    )
    HighWaterMark.objects.bulk_create(mark for row, charge in pairs for mark in _marks(row, charge))
    post(_entry(row, charge, links) for row, charge in pairs if row.amount_minor)
    _issue(pairs, links, broker, run, now)
    audit(
        actor,
        "fees.post",
        f"fee_run:{run.public_id}",
        after={"period": run.key, "charges": len(rows), "first": rows[0].id, "last": rows[-1].id},
    )
    return rows


def _row(run: FeeRun, charge: Charge) -> FeeCharge:
    window, figures = charge.window, charge.figures
    states = FeeCharge.State
    return FeeCharge(
        run=run,
        link_id=window.link_id,
        plan_id=charge.terms.plan_id,
        window_from=window.starts_at,
        window_to=window.ends_at,
        currency=window.currency,
        equity_minor=figures.equity_minor,
        hwm_before=charge.hwm_opening,
        hwm_after=charge.hwm_after,
        amount_minor=figures.fee_minor,
        figures=figures.as_json(),
        state=states.DUE if figures.fee_minor else states.NOTHING,
    )


def _shares(row: FeeCharge, charge: Charge, links: Mapping[int, Link]) -> list[FeeShare]:
    if not row.amount_minor:
        return []
    manager_id = links[row.link_id].master.manager_id
    figures, party = charge.figures, FeeShare.Party
    return [
        FeeShare(
            charge=row, party=party.MANAGER, user_id=manager_id, amount_minor=figures.manager_minor
        ),
        FeeShare(charge=row, party=party.BROKER, amount_minor=figures.broker_minor),
    ]


def _marks(row: FeeCharge, charge: Charge) -> list[HighWaterMark]:
    marks = []
    if charge.window.hwm is None:
        marks.append(
            HighWaterMark(
                link_id=row.link_id,
                charge=row,
                at=charge.window.starts_at,
                reason=HighWaterMark.Reason.OPENING,
                equity_minor=charge.window.opening.net_minor,
                after=charge.hwm_opening,
            )
        )
    marks += [
        HighWaterMark(
            link_id=row.link_id,
            charge=row,
            at=step.at,
            reason=step.kind,
            equity_minor=step.equity_minor,
            amount_minor=step.amount_minor,
            fee_minor=step.fee_minor,
            before=step.before,
            after=step.after,
        )
        for step in charge.steps
    ]
    return marks


def _entry(row: FeeCharge, charge: Charge, links: Mapping[int, Link]) -> NewEntry:
    manager_id = links[row.link_id].master.manager_id
    return fee_charged(
        f"charge:{row.public_id}",
        row.window_to,
        charge.window.account_id,
        row.currency,
        [
            (f"payable:manager:{manager_id}", charge.figures.manager_minor),
            (BROKER_INCOME, charge.figures.broker_minor),
        ],
    )


def _issue(
    pairs: Sequence[tuple[FeeCharge, Charge]],
    links: Mapping[int, Link],
    broker: Broker,
    run: FeeRun,
    now: datetime,
) -> None:
    brand, site = tokens_of(broker), site_of(broker)
    period = Period(run.key, run.starts_at, run.ends_at)
    statements = []
    for row, charge in pairs:
        link = links[row.link_id]
        if link.account.owner is None:
            continue
        data = statement_data(
            charge, link, brand, zone=broker.time_zone, period=period.key, site=site
        )
        statements.append(NewStatement(row, link.account.owner, data))
    if statements:
        year = now.astimezone(ZoneInfo(broker.time_zone)).year
        issue_statements(broker.legal_name, year, statements, now)
