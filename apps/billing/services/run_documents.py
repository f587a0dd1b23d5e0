"""The documents that sum a run up: each manager's remittance advice, each investor's invoice.

Issued after the run is posted, from its charges and shares as they stand: one document per owner,
currency and kind. Asking again issues nothing new. When a charge of the run was reversed, the
document that held it is mirrored by a credit note and the next revision is issued without it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from apps.accounts.models import Role, User
from apps.billing.models import Delivery, Document, FeeCharge, FeeRun, FeeShare, LegalEntity
from apps.billing.services.documents import NewDocument, issue
from apps.billing.services.issuer import legal_entity, tax_of
from apps.billing.services.queue import DELIVER, after_commit
from apps.billing.site import site_of
from apps.billing.statement import frame, name_of
from tenants.brand import tokens_of
from tenants.models import Broker

Kind = Document.Kind
Key = tuple[int, str]  # owner, currency


@dataclass(frozen=True, slots=True)
class _Line:
    """One charge as it stands on a summary document."""

    charge: FeeCharge
    owner: User
    amount_minor: int

    def as_json(self, statements: Mapping[int, str]) -> dict[str, Any]:
        """`statements`: the statement's number by link."""
        charge = self.charge
        return {
            "charge": str(charge.public_id),
            "kind": charge.kind,
            "account": str(charge.link.account.login),
            "master": charge.link.master.name,
            "statement": statements.get(charge.link_id, ""),
            "window_from": charge.window_from.isoformat(),
            "window_to": charge.window_to.isoformat(),
            "fee_minor": charge.amount_minor,
            "amount_minor": self.amount_minor,
        }


def issue_run_documents(
    run: FeeRun, broker: Broker, *, now: datetime | None = None
) -> list[Document]:
    """Remittances, invoices (when the legal entity issues them) and finance's summary of a posted
    run. Idempotent; safe at once in several processes: the run's row is locked."""
    now = now or timezone.now()
    with transaction.atomic():
        run = FeeRun.objects.select_for_update().get(pk=run.pk)
        if run.state != FeeRun.State.POSTED:
            return []
        entity = legal_entity(broker.legal_name)
        made = _issue_missing(run, broker, entity, Kind.REMITTANCE, _manager_lines(run), now)
        if entity.issues_invoices:
            made += _issue_missing(run, broker, entity, Kind.INVOICE, _investor_lines(run), now)
        if _summarise(run, now) or made:
            after_commit(DELIVER)
    return made


def issue_missing_documents(broker: Broker, *, now: datetime | None = None) -> list[Document]:
    """What posted runs lack, e.g. after a worker died between posting and issuing."""
    waiting = FeeRun.objects.filter(state=FeeRun.State.POSTED, summaries=None).order_by("id")
    return [
        document
        for run in waiting
        for document in issue_run_documents(run, broker, now=now)
    ]  # fmt: skip


def _issue_missing(
    run: FeeRun,
    broker: Broker,
    entity: LegalEntity,
    kind: str,
    lines: Iterable[_Line],
    now: datetime,
) -> list[Document]:
    grouped: defaultdict[Key, list[_Line]] = defaultdict(list)
    for line in lines:
        grouped[line.owner.pk, line.charge.currency].append(line)
    issued = Document.objects.filter(run=run, kind=kind)
    standing = set(issued.filter(credit_note=None).values_list("owner_id", "currency"))
    revisions = {
        (row["owner_id"], row["currency"]): row["last"]
        for row in issued.values("owner_id", "currency").annotate(last=Max("revision"))
    }
    year = now.astimezone(ZoneInfo(broker.time_zone)).year
    statements = {
        document.charge.link_id: document.reference
        for document in Document.objects.filter(run=run, kind=Kind.FEE_STATEMENT, credit_note=None)
        .select_related("charge")
        .defer("data")
        if document.charge is not None
    }
    wanted = [
        _new(run, broker, entity, kind, group, revisions.get(key, 0) + 1, statements)
        for key, group in sorted(grouped.items())
        if key not in standing
    ]
    return issue(entity, year, wanted, now)


def _new(
    run: FeeRun,
    broker: Broker,
    entity: LegalEntity,
    kind: str,
    lines: list[_Line],
    revision: int,
    statements: Mapping[int, str],
) -> NewDocument:
    owner, total = lines[0].owner, sum(line.amount_minor for line in lines)
    data = {
        "kind": str(kind),
        **frame(
            tokens_of(broker), owner, zone=broker.time_zone, period=run.key, site=site_of(broker)
        ),
        "window_from": run.starts_at.isoformat(),
        "window_to": run.ends_at.isoformat(),
        "currency": lines[0].charge.currency,
        "recipient": name_of(owner),
        "recipient_email": owner.email,
        "lines": [line.as_json(statements) for line in lines],
        "total_minor": total,
        "tax": tax_of(entity, total) if kind == Kind.INVOICE else None,
        "revision": revision,
    }
    return NewDocument(kind, owner, data, total, run=run, revision=revision)


def _charges(run: FeeRun) -> Any:
    return (
        FeeCharge.objects.filter(run=run, amount_minor__gt=0, reversal=None)
        .select_related("link__account__owner", "link__master")
        .order_by("link__master__name", "link__account__login", "id")
    )


def _investor_lines(run: FeeRun) -> list[_Line]:
    return [
        _Line(charge, charge.link.account.owner, charge.amount_minor)
        for charge in _charges(run)
        if charge.link.account.owner is not None and charge.kind != FeeCharge.Kind.REBATE
    ]


def _manager_lines(run: FeeRun) -> list[_Line]:
    """The shares that people (managers, introducing brokers) got of the run's charges."""
    charges = {charge.pk: charge for charge in _charges(run)}
    shares = (
        FeeShare.objects.filter(charge_id__in=list(charges), amount_minor__gt=0)
        .select_related("user")
        .order_by("id")
    )
    lines = [
        _Line(charges[share.charge_id], share.user, share.amount_minor)
        for share in shares
        if share.user is not None
    ]
    order = {pk: place for place, pk in enumerate(charges)}
    return sorted(lines, key=lambda line: order[line.charge.pk])


def _summarise(run: FeeRun, now: datetime) -> int:
    """Queue the run's summary to finance, to the admins where nobody has that role; once."""
    if run.summaries.exists():
        return 0
    people = User.objects.filter(is_active=True)
    finance = people.filter(roles__contains=[Role.FINANCE]) or people.filter(
        roles__contains=[Role.ADMIN]
    )
    made = Delivery.objects.bulk_create(
        [Delivery(run=run, to=person.email, next_at=now) for person in finance.order_by("id")],
        ignore_conflicts=True,
    )
    return len(made)
