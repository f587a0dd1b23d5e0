"""What the public site speaks about, in the order of its navigation."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Topic:
    """A product page: templates/site/product/<slug>.html."""

    slug: str
    title: str | Promise
    summary: str | Promise


TOPICS = (
    Topic(
        "allocation",
        _("Allocation"),
        _("One order, divided over every account at one price, with the remainder accounted for."),
    ),
    Topic(
        "portals",
        _("Portals"),
        _("Desk, investor portal and office, each in the broker's own brand."),
    ),
    Topic(
        "fees",
        _("Fees"),
        _("Performance fees above a high-water mark, posted to a ledger, on a statement."),
    ),
    Topic(
        "connectivity",
        _("Connectivity"),
        _("One neutral protocol to trading servers; an answer that never came is called unknown."),
    ),
    Topic("proof", _("Proof"), _("Every division can be recomputed from the record, by anybody.")),
)
