"""Billing's tables, in each broker's schema."""

from apps.billing.models.documents import (
    Delivery,
    Document,
    DocumentCounter,
    DocumentFile,
    LegalEntity,
)
from apps.billing.models.fees import (
    DailyEquity,
    FeeCharge,
    FeeCollection,
    FeeReversal,
    FeeRun,
    FeeShare,
    HighWaterMark,
)
from apps.billing.models.ledger import Entry, LedgerAccount, Line
from apps.billing.models.plans import FeePlan, Introduction, PlanChange, PlanNotice

__all__ = [
    "DailyEquity",
    "Delivery",
    "Document",
    "DocumentCounter",
    "DocumentFile",
    "Entry",
    "FeeCharge",
    "FeeCollection",
    "FeePlan",
    "FeeReversal",
    "FeeRun",
    "FeeShare",
    "HighWaterMark",
    "Introduction",
    "LedgerAccount",
    "LegalEntity",
    "Line",
    "PlanChange",
    "PlanNotice",
]
