"""The terminal's tables, whole in the page and alone as fragments."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.accounts.access import require_role
from apps.accounts.models import Link, Role
from apps.allocation.models import AccountState, Block
from apps.allocation.selectors import books
from apps.core.errors import NotFoundError
from apps.portals.manager.book import Desk, desk_of
from apps.portals.manager.failed_legs import FailedLegs
from apps.portals.manager.reasons import text_of

BLOCKS_PER_PAGE = 20
SHARES_PER_PAGE = 25
ACCOUNTS_PER_PAGE = 50
STATES: dict[str, tuple[str, ...]] = {
    "open": (Block.State.OPEN, Block.State.SENT),
    "pending": (Block.State.PENDING,),
    "journal": (),
}


@dataclass(slots=True)
class BlockRow:
    """A block and, when its row is open, its shares."""

    block: Block
    reasons: list[tuple[Any, int]] = field(default_factory=list)
    realised: list[tuple[str, int]] = field(default_factory=list)
    shares: dict[str, Any] | None = None
    failed_legs: int = 0

    @property
    def is_working(self) -> bool:
        return self.block.state in books.WORKING


def blocks_page(request: HttpRequest, desk: Desk, view: str) -> dict[str, Any]:
    """The rows of one view of blocks: open, pending or journal. `open` names expanded rows."""
    page = _page(request, books.blocks_of(desk.book_id, STATES[view]), BLOCKS_PER_PAGE)
    blocks = list(page.object_list)
    expanded = set(request.GET.getlist("open"))
    reasons, realised = books.reasons_of(blocks), books.realised_of(blocks)
    failed = books.failed_legs_of(blocks)
    rows = [
        BlockRow(
            block,
            [(text_of(code), accounts) for code, accounts in reasons.get(block.id, [])],
            [(name, total) for name, total in realised.get(block.id, []) if total],
            shares_page(desk, block, 1) if str(block.id) in expanded else None,
            FailedLegs.of(failed.get(block.id, [])).count,
        )
        for block in blocks
    ]
    return {"view": view, "page": page, "rows": rows, "desk": desk}


def shares_page(desk: Desk, block: Block, number: int) -> dict[str, Any]:
    """One page of a block's shares with their tickets."""
    page = Paginator(books.shares_of(block), SHARES_PER_PAGE).get_page(number)
    shares = [
        (share, [str(text_of(code)) for code in (share.reason, share.leg_code) if code])
        for share in books.with_tickets(block, page.object_list)
    ]
    has_legs = any(share.leg_status for share, _ in shares)
    failed = FailedLegs.of(books.failed_legs_of([block]).get(block.id, []))
    return {
        "desk": desk,
        "block": block,
        "page": page,
        "shares": shares,
        "has_legs": has_legs,
        "failed": failed,
        "can_retry": desk.can_trade and block.state == Block.State.OPEN and failed.sendable > 0,
    }


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A sub-account as last projected, minor units; None: not in the book's record yet."""

    link: Link
    balance_minor: int | None = None
    equity_minor: int | None = None
    floating_minor: int | None = None
    margin_minor: int | None = None

    @classmethod
    def of(cls, link: Link, state: AccountState | None) -> Self:
        if state is None:
            return cls(link)
        return cls(
            link,
            state.balance_minor,
            state.equity_minor,
            state.floating_minor,
            state.margin_minor,
        )

    @property
    def level(self) -> Decimal | None:
        """Margin level as a ratio; None while no margin is used."""
        if self.equity_minor is None or not self.margin_minor or self.margin_minor <= 0:
            return None
        return Decimal(self.equity_minor) / self.margin_minor


def accounts_page(request: HttpRequest, desk: Desk) -> dict[str, Any]:
    """One page of sub-accounts; `q` finds a login."""
    members = books.members_of(desk.master)
    query = request.GET.get("q", "").strip()
    if query:
        members = members.filter(account__login=int(query)) if _is_login(query) else members.none()
    page = _page(request, members, ACCOUNTS_PER_PAGE)
    links = list(page.object_list)
    states = books.states_of(link.account_id for link in links)
    rows = [AccountRow.of(link, states.get(link.account_id)) for link in links]
    return {"desk": desk, "page": page, "rows": rows, "query": query}


@require_GET
@require_role(Role.MANAGER, Role.ADMIN)
def blocks(request: HttpRequest, book_id: UUID) -> HttpResponse:
    """Fragment: a table of blocks (`view`, `page`, `open`)."""
    view = request.GET.get("view", "open")
    if view not in STATES:
        raise Http404
    table = blocks_page(request, desk_of(request, book_id), view)
    return render(request, "manager/_blocks.html", {"table": table})


@require_GET
@require_role(Role.MANAGER, Role.ADMIN)
def tickets(request: HttpRequest, book_id: UUID, block_id: UUID) -> HttpResponse:
    """Fragment: the shares and tickets of one block (`page`)."""
    desk = desk_of(request, book_id)
    try:
        block = books.block_of(desk.book_id, block_id)
    except NotFoundError:
        raise Http404 from None
    number = request.GET.get("page", "1")
    shares = shares_page(desk, block, int(number) if number.isdecimal() else 1)
    return render(request, "manager/_tickets.html", {"shares": shares})


@require_GET
@require_role(Role.MANAGER, Role.ADMIN)
def accounts(request: HttpRequest, book_id: UUID) -> HttpResponse:
    """Fragment: sub-accounts (`page`, `q`)."""
    table = accounts_page(request, desk_of(request, book_id))
    return render(request, "manager/_accounts.html", {"table": table})


def _page(request: HttpRequest, rows: Any, per_page: int) -> Page[Any]:
    return Paginator(rows, per_page).get_page(request.GET.get("page"))


def _is_login(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18
