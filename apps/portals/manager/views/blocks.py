"""What is done to one block: closed, changed, reversed, cancelled, its failed legs sent again."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from apps.accounts.access import require_role
from apps.accounts.models import Role
from apps.allocation.models import Block
from apps.allocation.selectors import books
from apps.core.book.commands import CancelBlock, RetryLegs
from apps.core.errors import UnavailableError
from apps.engine import client
from apps.engine.messages import Frame, Outcome
from apps.portals.manager import dialogs
from apps.portals.manager.book import Desk, trading_desk_of
from apps.portals.manager.failed_legs import FailedLegs
from apps.portals.manager.forms import (
    AmendForm,
    CancelForm,
    CloseByForm,
    CloseForm,
    ReverseForm,
)


@require_http_methods(["GET", "POST"])
@require_role(Role.MANAGER)
def close(request: HttpRequest, book_id: UUID, block_id: UUID) -> HttpResponse:
    """Dialog: close a block whole or in part, after saying how much and at what P&L."""
    desk, block, context = _scene(request, book_id, block_id)
    context |= _standing(desk, block)
    open_lots = block.open_steps * block.volume_step
    if request.method == "GET":
        initial = {"command_id": uuid.uuid4(), "volume_lots": _lots_text(open_lots, block)}
        return dialogs.show(request, "_close", CloseForm(initial=initial), context)
    form = CloseForm(request.POST)
    if not form.is_valid():
        return dialogs.show(request, "_close", form, context, status=dialogs.INVALID)
    command = form.command(desk, block_id, open_lots)
    outcome = dialogs.execute(request, desk, form, command, "_close", context)
    return outcome if isinstance(outcome, HttpResponse) else _closing(outcome, block)


def _closing(outcome: Outcome, block: Block) -> HttpResponse:
    lots = _lots_text(Decimal(outcome.result["order_steps"]) * block.volume_step, block)
    tickets = int(outcome.result["tickets"])
    return dialogs.done(
        ngettext(
            "Closing %(lots)s lots of %(symbol)s: sent, %(count)d ticket.",
            "Closing %(lots)s lots of %(symbol)s: sent, %(count)d tickets.",
            tickets,
        )
        % {"lots": lots, "symbol": block.symbol, "count": tickets}
    )


@require_http_methods(["GET", "POST"])
@require_role(Role.MANAGER)
def cancel(request: HttpRequest, book_id: UUID, block_id: UUID) -> HttpResponse:
    """Dialog: cancel a pending order."""
    desk, block, context = _scene(request, book_id, block_id)
    if request.method == "GET":
        return dialogs.show(request, "_cancel", CancelForm(initial=_new()), context)
    form = CancelForm(request.POST)
    if not form.is_valid():
        return dialogs.show(request, "_cancel", form, context, status=dialogs.INVALID)
    command = CancelBlock(
        command_id=form.cleaned_data["command_id"],
        block_id=block_id,
        placed_by=str(desk.user.public_id),
    )
    outcome = dialogs.execute(request, desk, form, command, "_cancel", context)
    if isinstance(outcome, HttpResponse):
        return outcome
    return dialogs.done(_("The order in %(symbol)s is cancelled.") % {"symbol": block.symbol})


@require_http_methods(["GET", "POST"])
@require_role(Role.MANAGER)
def amend(request: HttpRequest, book_id: UUID, block_id: UUID) -> HttpResponse:
    """Dialog: stop loss, take profit, trailing; prices and volume while it is pending."""
    desk, block, context = _scene(request, book_id, block_id)
    context["is_pending"] = block.state == "pending"
    if request.method == "GET":
        return dialogs.show(request, "_amend", AmendForm(initial=_as_it_is(block)), context)
    form = AmendForm(request.POST)
    if not form.is_valid():
        return dialogs.show(request, "_amend", form, context, status=dialogs.INVALID)
    command = form.command(desk, block_id)
    outcome = dialogs.execute(request, desk, form, command, "_amend", context)
    if isinstance(outcome, HttpResponse):
        return outcome
    return dialogs.done(_("The order in %(symbol)s is changed.") % {"symbol": block.symbol})


@require_http_methods(["GET", "POST"])
@require_role(Role.MANAGER)
def reverse(request: HttpRequest, book_id: UUID, block_id: UUID) -> HttpResponse:
    """Dialog: close a block and open the opposite when that has filled."""
    desk, block, context = _scene(request, book_id, block_id)
    context |= _standing(desk, block)
    if request.method == "GET":
        return dialogs.show(request, "_reverse", ReverseForm(initial=_new()), context)
    form = ReverseForm(request.POST)
    if not form.is_valid():
        return dialogs.show(request, "_reverse", form, context, status=dialogs.INVALID)
    command = form.command(desk, block_id)
    outcome = dialogs.execute(request, desk, form, command, "_reverse", context)
    if isinstance(outcome, HttpResponse):
        return outcome
    return dialogs.done(
        _("Reversing %(symbol)s: the closing is sent, the opposite follows its fill.")
        % {"symbol": block.symbol}
    )


@require_http_methods(["GET", "POST"])
@require_role(Role.MANAGER)
def close_by(request: HttpRequest, book_id: UUID, block_id: UUID) -> HttpResponse:
    """Dialog: close a block against an opposite one of its symbol."""
    desk, block, context = _scene(request, book_id, block_id)
    opposite = [
        one
        for one in books.blocks_of(desk.book_id, (Block.State.OPEN,))
        if one.symbol == block.symbol and one.side == -block.side
    ]
    context["opposite"] = opposite
    if request.method == "GET":
        first = str(opposite[0].id) if opposite else ""
        form = CloseByForm(opposite=opposite, initial={**_new(), "other": first})
        return dialogs.show(request, "_close_by", form, context)
    form = CloseByForm(request.POST, opposite=opposite)
    if not form.is_valid():
        return dialogs.show(request, "_close_by", form, context, status=dialogs.INVALID)
    command = form.command(desk, block_id)
    outcome = dialogs.execute(request, desk, form, command, "_close_by", context)
    if isinstance(outcome, HttpResponse):
        return outcome
    return dialogs.done(
        _("Closing two blocks of %(symbol)s against each other.") % {"symbol": block.symbol}
    )


@require_http_methods(["GET", "POST"])
@require_role(Role.MANAGER)
def retry_legs(request: HttpRequest, book_id: UUID, block_id: UUID) -> HttpResponse:
    """Dialog: how many accounts' own orders failed and why; POST sends them again."""
    desk, block, context = _scene(request, book_id, block_id)
    context["failed"] = FailedLegs.of(books.failed_legs_of([block]).get(block.id, []))
    if request.method == "GET":
        return dialogs.show(request, "_retry_legs", CancelForm(initial=_new()), context)
    form = CancelForm(request.POST)
    if not form.is_valid():
        return dialogs.show(request, "_retry_legs", form, context, status=dialogs.INVALID)
    command = RetryLegs(
        command_id=form.cleaned_data["command_id"],
        block_id=block_id,
        placed_by=str(desk.user.public_id),
    )
    outcome = dialogs.execute(request, desk, form, command, "_retry_legs", context)
    if isinstance(outcome, HttpResponse):
        return outcome
    count = len(outcome.result["account_ids"])
    return dialogs.done(
        ngettext("%(count)d leg is sent again.", "%(count)d legs are sent again.", count)
        % {"count": count}
    )


def _scene(
    request: HttpRequest, book_id: UUID, block_id: UUID
) -> tuple[Desk, Block, dict[str, Any]]:
    desk = trading_desk_of(request, book_id)
    block = dialogs.block_or_404(desk, block_id)
    return desk, block, {"desk": desk, "block": block}


def _new() -> dict[str, Any]:
    return {"command_id": uuid.uuid4()}


def _as_it_is(block: Block) -> dict[str, Any]:
    """Prices and volume of a pending order stay empty: what is not named is left."""

    def text(price: Decimal | None) -> str:
        return "" if price is None else f"{price:.{block.digits}f}"

    return {
        **_new(),
        "stop_loss": text(block.stop_loss),
        "take_profit": text(block.take_profit),
        "trailing_distance": text(block.trailing_distance),
    }


def _standing(desk: Desk, block: Block) -> dict[str, Any]:
    """The last frame and what it says of the block."""
    frame = _frame(desk)
    views = frame.blocks if frame is not None else []
    view = next((view for view in views if view.block_id == block.id), None)
    return {"frame": frame, "view": view}


def _frame(desk: Desk) -> Frame | None:
    try:
        return client.latest_frame(desk.broker, desk.book_id)
    except UnavailableError:
        return None


def _lots_text(lots: Decimal, block: Block) -> str:
    """Lots with as many decimals as the step has, plain: what the form can read back."""
    places = max(0, -int(block.volume_step.normalize().as_tuple().exponent))
    return f"{lots:.{places}f}"
