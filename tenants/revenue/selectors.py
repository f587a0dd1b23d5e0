"""What the contract pages read."""

from __future__ import annotations

from dataclasses import dataclass

from tenants.errors import TenantError
from tenants.models import Broker
from tenants.revenue.models import Plan, PlatformInvoice, RevenueAudit, Subscription, UsageDay

DAYS = 31
LATEST = 24


@dataclass(frozen=True, slots=True)
class Contract:
    """A broker's contract as shown; `subscription` None: no contract, nothing is forbidden."""

    broker: Broker
    subscription: Subscription | None
    usage: list[UsageDay]
    invoices: list[PlatformInvoice]

    @property
    def aum(self) -> list[tuple[str, int]]:
        """(currency, minor units) of the latest day."""
        return sorted(self.usage[0].aum_minor.items()) if self.usage else []


def contract_of(broker: Broker) -> Contract:
    """Reads the public tables, which every schema sees."""
    found = Subscription.objects.select_related("plan").filter(broker=broker).first()
    usage = UsageDay.objects.filter(broker=broker).order_by("-day")[:DAYS]
    invoices = PlatformInvoice.objects.filter(broker=broker).order_by("-issued_at")[:LATEST]
    return Contract(broker, found, list(usage), list(invoices))


def brokers() -> list[tuple[Broker, Subscription | None, UsageDay | None]]:
    """Every broker with its contract and its latest usage."""
    rows = (
        Broker.objects.exclude(status__in=[Broker.Status.PLATFORM, Broker.Status.TEMPLATE])
        .select_related("subscription__plan")
        .order_by("schema_name")
    )
    latest = {
        row.broker_id: row
        for row in UsageDay.objects.order_by("broker_id", "-day").distinct("broker_id")
    }
    return [(row, getattr(row, "subscription", None), latest.get(row.pk)) for row in rows]


def offered() -> list[Plan]:
    """Plans that can be bought online, the cheapest first."""
    return list(
        Plan.objects.filter(is_offered=True).exclude(stripe_price="").order_by("month_minor")
    )


def sold(code: str) -> Plan:
    """The plan on offer. Raises TenantError("plan_not_sold")."""
    found = Plan.objects.filter(code=code, is_offered=True).first()
    if found is None:
        raise TenantError("plan_not_sold", "There is no such plan on offer.")
    return found


def trail_of(broker: Broker) -> list[RevenueAudit]:
    return list(RevenueAudit.objects.filter(broker=broker).order_by("-pk")[:LATEST])
