"""Billing's tables, in each broker's schema."""

from apps.billing.models.documents import (
    Delivery,
    Document,
    DocumentCounter,
    DocumentFile,
    LegalEntity,
)
from apps.billing.models.fees import (
    FeeCharge,
    FeeCollection,
    FeePlan,
    FeeRun,
    FeeShare,
    HighWaterMark,
)
from apps.billing.models.ledger import Entry, LedgerAccount, Line

__all__ = [
    "Delivery",
    "Document",
    "DocumentCounter",
    "DocumentFile",
    "Entry",
    "FeeCharge",
    "FeeCollection",
    "FeePlan",
    "FeeRun",
    "FeeShare",
    "HighWaterMark",
    "LedgerAccount",
    "LegalEntity",
    "Line",
]
