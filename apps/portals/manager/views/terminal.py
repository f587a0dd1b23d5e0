"""The list of masters, the terminal of one, and its chart's candles."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.accounts.access import masters_of, require_role
from apps.accounts.models import Master, Role, Symbol, User
from apps.allocation.selectors.books import BAR_MINUTES, candles_of
from apps.core.errors import InputError, NotFoundError, ProrataError, UnavailableError
from apps.engine.client import Frame, QuoteView, latest_frame, latest_quotes
from apps.portals.manager.book import desk_of, nav
from apps.portals.manager.forms import TicketForm
from apps.portals.manager.views.risk import risk_table
from apps.portals.manager.views.tables import accounts_page, blocks_page
from tenants.door import current_broker

MAJORS = ("EURUSD", "GBPUSD", "USDJPY")


@dataclass(frozen=True, slots=True)
class MasterRow:
    """A master in the list, with its last frame (None: nothing was published yet)."""

    master: Master
    frame: Frame | None
    accounts: int


@require_GET
@require_role(Role.MANAGER, Role.ADMIN)
def home(request: HttpRequest) -> HttpResponse:
    """The masters the user manages (an admin: all of the broker's)."""
    rows = []
    for master in masters_of(cast(User, request.user)).order_by("name"):
        frame = _frame(current_broker(), master.public_id)
        accounts = int(frame.vector("account_ids").size) if frame else 0
        rows.append(MasterRow(master, frame, accounts))
    return render(request, "manager/masters.html", {"rows": rows, "nav": nav("masters")})


@require_GET
@require_role(Role.MANAGER, Role.ADMIN)
def terminal(request: HttpRequest, book_id: UUID) -> HttpResponse:
    """One book's terminal; figures go live by static/js/manager/desk.js."""
    desk = desk_of(request, book_id)
    symbols = desk.symbols()
    frame = _frame(desk.broker, desk.book_id)
    shown = first_symbol(symbols, frame)
    ticket = TicketForm(
        symbols=symbols,
        initial={
            "command_id": uuid.uuid4(),
            "symbol": shown,
            "side": "buy",
            "kind": "market",
            "volume_lots": "1.00",
        },
    )
    context = {
        "desk": desk,
        "master": desk.master,
        "nav": nav(),
        "frame": frame,
        "frame_at_ms": frame.at_ms if frame else None,
        "symbols": symbols,
        "quotes": _quotes(desk.broker, desk.master.account.server_id),
        "ticket": ticket,
        "shown": shown,
        "intervals": list(BAR_MINUTES),
        "open_blocks": blocks_page(request, desk, "open"),
        "pending_blocks": blocks_page(request, desk, "pending"),
        "journal": blocks_page(request, desk, "journal"),
        "accounts": accounts_page(request, desk),
        "risk": risk_table(desk),
    }
    return render(request, "manager/terminal.html", context)


def first_symbol(symbols: list[Symbol], frame: Frame | None) -> str:
    """What the terminal opens with: the symbol of the latest open block, else a major."""
    names = [symbol.name for symbol in symbols]
    held = [block.symbol for block in frame.blocks] if frame else []
    majors = [name for major in MAJORS for name in names if name.startswith(major)]
    wanted = [*reversed(held), *majors, *names]
    return next((name for name in wanted if name in names), "")


@require_GET
@require_role(Role.MANAGER, Role.ADMIN)
def bars(request: HttpRequest, book_id: UUID) -> JsonResponse:
    """Candles: {symbol, interval, digits, bars: [[start_ms, open, high, low, close, ticks], …]}.

    Prices are decimal strings of the bid. 400 `bad_interval`, 404 `unknown_symbol`.
    """
    desk = desk_of(request, book_id)
    interval = request.GET.get("interval", "M1")
    name = request.GET.get("symbol", "")
    try:
        if interval not in BAR_MINUTES:
            raise InputError(
                "bad_interval",
                f"An interval is one of {', '.join(BAR_MINUTES)}.",
                interval=interval,
            )
        symbol = next((one for one in desk.symbols() if one.name == name), None)
        if symbol is None:
            raise NotFoundError("unknown_symbol", f"There is no symbol {name!r}.", symbol=name)
    except ProrataError as error:
        return JsonResponse({"error": error.as_dict()}, status=error.status)
    candles = candles_of(desk.master.account.server_id, name, interval)
    rows = [
        [
            int(candle.at.timestamp() * 1000),
            *(f"{price:.{symbol.digits}f}" for price in (candle.open, candle.high)),
            *(f"{price:.{symbol.digits}f}" for price in (candle.low, candle.close)),
            candle.ticks,
        ]
        for candle in candles
    ]
    return JsonResponse(
        {"symbol": name, "interval": interval, "digits": symbol.digits, "bars": rows}
    )


def _frame(broker: str, book_id: UUID) -> Frame | None:
    """The last frame; None too when Redis is away: the page then says that it is not live."""
    try:
        return latest_frame(broker, book_id)
    except UnavailableError:
        return None


def _quotes(broker: str, server_id: int) -> dict[str, QuoteView]:
    try:
        return latest_quotes(broker, server_id)
    except UnavailableError:
        return {}
