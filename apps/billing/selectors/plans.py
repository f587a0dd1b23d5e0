"""Which fee plan is in force."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal, cast

from apps.billing.compute import Terms
from apps.billing.models import FeePlan


@dataclass(frozen=True, slots=True)
class PlanBook:
    """All versions of some masters' plans, newest first."""

    by_master: dict[int, list[FeePlan]]

    def at(self, master_id: int, day: date) -> FeePlan | None:
        """The version in force on `day`; None when the master charges nothing then."""
        for plan in self.by_master.get(master_id, []):
            if plan.effective_from <= day:
                return plan
        return None


def plans_of(master_ids: Iterable[int]) -> PlanBook:
    found: dict[int, list[FeePlan]] = {}
    for plan in FeePlan.objects.filter(master_id__in=list(master_ids)).order_by("-effective_from"):
        found.setdefault(plan.master_id, []).append(plan)
    return PlanBook(found)


def terms_of(plan: FeePlan) -> Terms:
    return Terms(
        plan_id=plan.id,
        rate=plan.rate,
        manager_share=plan.manager_share,
        hwm_basis=cast(Literal["net", "gross"], plan.hwm_basis),
    )
