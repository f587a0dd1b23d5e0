"""Detach: a page that states exactly what closes, then the request, then its outcome."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import get_args
from uuid import UUID, uuid4

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.access import links_of, require_role
from apps.accounts.models import Link, Role
from apps.allocation.models import Ticket
from apps.allocation.selectors.accounts import open_tickets
from apps.core.book.commands import DetachMode, LeaveMode
from apps.core.errors import ProrataError, UnavailableError, UnknownOutcomeError
from apps.portals.investor.accounts import own_accounts
from apps.portals.investor.page import investor, page, slug
from apps.portals.investor.services import detach as detach_link
from apps.portals.investor.services import take_out as take_tickets_out
from apps.portals.investor.tickets import ticket_rows


@require_http_methods(["GET", "HEAD", "POST"])
@require_role(Role.INVESTOR)
def detach(request: HttpRequest, link_id: UUID) -> HttpResponse:
    """GET states what closes. POST request_id, shown: 409 when what is open has changed since."""
    link = get_object_or_404(links_of(investor(request)), public_id=link_id)
    if link.status == Link.Status.DETACHED:
        return _outcome(request, link, "detached", None, status=200)
    tickets = _in_the_masters_care(link)
    if request.method != "POST":
        return _confirm(request, link, tickets)
    request_id = _uuid(request.POST.get("request_id", ""))
    if request_id is None:
        return _confirm(request, link, tickets, status=400)
    if not request.POST.get("again") and request.POST.get("shown") != _digest(tickets):
        return _confirm(request, link, tickets, changed=True, status=409)
    mode = request.POST.get("mode") or "close_at_market"
    if mode not in get_args(LeaveMode):
        return _confirm(request, link, tickets, status=400)
    try:
        done = detach_link(
            investor(request),
            link,
            request_id,
            broker=slug(),
            mode=mode,  # type: ignore[arg-type]
        )
    except (UnknownOutcomeError, UnavailableError) as error:
        kind = "unknown" if isinstance(error, UnknownOutcomeError) else "unavailable"
        return _outcome(request, link, kind, request_id, error=error, status=error.status)
    except ProrataError as error:
        return _outcome(request, link, "refused", None, error=error, status=error.status)
    return _outcome(request, link, done.status, None, tickets=done.tickets, status=200)


@require_POST
@require_role(Role.INVESTOR)
def take_out(request: HttpRequest, link_id: UUID) -> HttpResponse:
    """POST request_id, mode, tickets: these leave their blocks; the account goes on following."""
    link = get_object_or_404(links_of(investor(request)), public_id=link_id)
    request_id = _uuid(request.POST.get("request_id", ""))
    mode = request.POST.get("mode", "")
    chosen = [int(t) for t in request.POST.getlist("tickets") if t.isascii() and t.isdigit()]
    if request_id is None or mode not in get_args(DetachMode) or not chosen:
        return _confirm(request, link, _in_the_masters_care(link), nothing=True, status=400)
    try:
        done = take_tickets_out(
            investor(request),
            link,
            request_id,
            broker=slug(),
            ticket_ids=chosen,
            mode=mode,  # type: ignore[arg-type]
        )
    except (UnknownOutcomeError, UnavailableError) as error:
        kind = "unknown" if isinstance(error, UnknownOutcomeError) else "unavailable"
        return _outcome(request, link, kind, request_id, error=error, status=error.status)
    except ProrataError as error:
        return _outcome(request, link, "refused", None, error=error, status=error.status)
    return _outcome(request, link, done.status, None, tickets=done.tickets, status=200)


def _in_the_masters_care(link: Link) -> list[Ticket]:
    return [t for t in open_tickets([link.account_id]) if t.released_at is None]


def _confirm(
    request: HttpRequest,
    link: Link,
    tickets: list[Ticket],
    *,
    changed: bool = False,
    nothing: bool = False,
    status: int = 200,
) -> HttpResponse:
    own = next(
        one for one in own_accounts(investor(request), slug()) if one.account.id == link.account_id
    )
    context = page(
        "overview",
        link=link,
        own=own,
        rows=ticket_rows(tickets, [link.account]),
        volumes=_volumes(tickets),
        shown=_digest(tickets),
        request_id=uuid4(),
        take_out_id=uuid4(),
        changed=changed,
        nothing=nothing,
    )
    return render(request, "investor/detach.html", context, status=status)


def _outcome(
    request: HttpRequest,
    link: Link,
    outcome: str,
    request_id: UUID | None,
    *,
    error: ProrataError | None = None,
    tickets: int = 0,
    status: int,
) -> HttpResponse:
    context = page(
        "overview",
        link=link,
        outcome=outcome,
        request_id=request_id,
        error=error,
        tickets=tickets,
        asked={
            "mode": request.POST.get("mode", ""),
            "tickets": request.POST.getlist("tickets"),
        },
    )
    return render(request, "investor/detach_outcome.html", context, status=status)


def _digest(tickets: Iterable[Ticket]) -> str:
    """What the page stated: a ticket more, or a step less, is another statement."""
    stated = ",".join(sorted(f"{ticket.id}:{ticket.open_steps}" for ticket in tickets))
    return hashlib.sha256(stated.encode()).hexdigest()


def _volumes(tickets: Iterable[Ticket]) -> list[dict[str, object]]:
    """Open volume by symbol and side."""
    found: dict[tuple[str, int], dict[str, object]] = {}
    totals: dict[tuple[str, int], int] = {}
    for ticket in tickets:
        key = (ticket.symbol, ticket.side)
        totals[key] = totals.get(key, 0) + ticket.open_steps
        found[key] = {
            "symbol": ticket.symbol,
            "side": "buy" if ticket.side > 0 else "sell",
            "steps": totals[key],
            "volume_step": ticket.volume_step,
        }
    return [found[key] for key in sorted(found)]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
