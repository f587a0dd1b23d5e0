"""What is charged: versions of a plan, a proposal for the next one, its approval by another."""

from __future__ import annotations

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.access import require_role
from apps.accounts.models import Link, Master
from apps.billing.broker import broker_now
from apps.billing.models import FeePlan, PlanChange
from apps.billing.plan_words import rows_of, split_row
from apps.billing.selectors.plans import open_changes, plans_of
from apps.billing.selectors.preview import preview_of
from apps.billing.services.plans import Scope, approve, decline, propose
from apps.core.errors import ProrataError
from apps.portals.broker.page import STAFF, context, request_id, show_error, user_of
from apps.portals.broker.plan_form import PlanForm, initial_of


@require_http_methods(["GET", "HEAD", "POST"])
@require_role(*STAFF)
def plans(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """GET a master's versions; POST proposes one."""
    master = get_object_or_404(Master.objects.select_related("manager"), public_id=public_id)
    return _plans(request, master, master.name)


@require_http_methods(["GET", "HEAD", "POST"])
@require_role(*STAFF)
def link_plans(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """GET the versions of one investor's mandate; POST proposes one."""
    found = Link.objects.select_related("account__owner", "master")
    link = get_object_or_404(found, public_id=public_id)
    return _plans(request, link, f"{link.account.login} → {link.master.name}")


@require_http_methods(["GET", "HEAD", "POST"])
@require_role(*STAFF)
def broker_plans(request: HttpRequest) -> HttpResponse:
    """GET the versions for masters without a plan of their own; POST proposes one."""
    return _plans(request, None, _("All masters"))


def _plans(request: HttpRequest, scope: Scope, name: str) -> HttpResponse:
    versions = _versions(scope)
    in_force = _in_force(scope)
    form = PlanForm(
        request.POST or None, initial=initial_of(in_force.fees) if in_force is not None else None
    )
    if request.method == "POST" and form.is_valid():
        try:
            change = propose(
                user_of(request),
                scope,
                form.new_plan(),
                note=form.cleaned_data["note"],
                request_id=request_id(request),
            )
        except ProrataError as error:
            show_error(form, error)
        else:
            messages.success(request, _("Proposed: another person can approve it now."))
            return redirect("broker:plan_change", public_id=change.public_id)
    values: dict[str, Any] = {
        "name": name,
        "master": scope if isinstance(scope, Master) else None,
        "form": form,
        "versions": [(plan, rows_of(plan.fees), split_row(plan.fees)) for plan in versions],
        "waiting": [change for change in open_changes() if _scope_of(change) == scope],
        "in_force": in_force,
        "today": _today(),
    }
    return render(
        request,
        "office/plans.html",
        context(request, "broker:fees", **values),
        status=400 if form.is_bound and form.errors else 200,
    )


@require_safe
@require_role(*STAFF)
def change(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """GET a proposal beside what is in force, and what each would charge if it ended now."""
    found = _change(public_id)
    before = _in_force(_scope_of(found))
    user = user_of(request)
    return render(
        request,
        "office/plan_change.html",
        context(
            request,
            "broker:fees",
            change=found,
            name=_name(found),
            before=[*rows_of(before.fees), split_row(before.fees)] if before else [],
            after=[*rows_of(found.fees), split_row(found.fees)],
            preview=preview_of(found, timezone.now()),
            is_own=found.proposed_by_id == user.pk,
        ),
    )


@require_POST
@require_role(*STAFF)
def decide(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """POST decision=approve or decline."""
    found, user = _change(public_id), user_of(request)
    note, req = request.POST.get("note", ""), request_id(request)
    try:
        if request.POST.get("decision") == "approve":
            approve(user, found, note=note, request_id=req)
            messages.success(request, _("Approved. Who it affects is told by e-mail."))
        else:
            decline(user, found, note=note, request_id=req)
            messages.success(request, _("The proposal is closed."))
    except ProrataError as error:
        messages.error(request, _("%(message)s [%(code)s]") % {
            "message": error.message, "code": error.code,
        })  # fmt: skip
    return redirect("broker:plan_change", public_id=public_id)


def _change(public_id: UUID) -> PlanChange:
    found = PlanChange.objects.select_related(
        "master", "link__account__owner", "link__master", "proposed_by", "decided_by", "plan"
    )
    return get_object_or_404(found, public_id=public_id)


def _scope_of(row: PlanChange) -> Scope:
    return row.link or row.master


def _name(row: PlanChange) -> str:
    if row.link is not None:
        return f"{row.link.account.login} → {row.link.master.name}"
    return row.master.name if row.master is not None else _("All masters")


def _versions(scope: Scope) -> list[FeePlan]:
    plans = FeePlan.objects.select_related("created_by", "change__proposed_by")
    if isinstance(scope, Link):
        plans = plans.filter(link=scope)
    elif isinstance(scope, Master):
        plans = plans.filter(master=scope)
    else:
        plans = plans.filter(master=None, link=None)
    return list(plans.order_by("-effective_from"))


def _in_force(scope: Scope) -> FeePlan | None:
    master_id, link_id = 0, None
    if isinstance(scope, Link):
        master_id, link_id = scope.master_id, scope.pk
    elif isinstance(scope, Master):
        master_id = scope.pk
    version = plans_of([master_id]).at(master_id, _today(), link_id)
    return version.plan if version is not None else None


def _today() -> Any:
    return timezone.now().astimezone(ZoneInfo(broker_now().time_zone)).date()
