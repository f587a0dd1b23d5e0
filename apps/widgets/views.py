"""The leaderboard for other sites: a script of one tag, and the page in its frame.

A frame, not a shadow root: nothing of the host page reaches in (styles, scripts) and nothing of
ours reaches out, the host's CSP needs only this origin in script-src and frame-src, and our own CSP
holds inside. It is sandboxed without allow-same-origin, so no cookie or storage can be touched.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe

from apps.leaderboards.board import board, widget_settings
from apps.leaderboards.models import LeaderboardRow, WidgetSettings
from apps.leaderboards.ranking import MIN_TRADES
from apps.widgets.limits import limited
from apps.widgets.sparkline import points
from tenants.context import tokens_for
from tenants.standing import Capability, refusal

THEMES = ("light", "dark")
STALE_AFTER_S = 1800
_NOWHERE = "'self'"


@require_safe
@limited
def loader(request: HttpRequest) -> HttpResponse:
    """GET /widgets/leaderboard.js: any page may load it; whether it may show is the frame's."""
    code = _loader_text().replace("{version}", _version(request, widget_settings()))
    etag = f'"{hashlib.sha256(code.encode()).hexdigest()[:32]}"'
    if request.headers.get("If-None-Match") == etag:
        response = HttpResponse(status=304)
    else:
        response = HttpResponse(code, content_type="text/javascript; charset=utf-8")
    response["ETag"] = etag
    response["Cache-Control"] = "public, max-age=300"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@require_safe
@limited
@xframe_options_exempt  # frame-ancestors, below, says who may; X-Frame-Options cannot list sites
def leaderboard(request: HttpRequest) -> HttpResponse:
    """GET /widgets/leaderboard?theme=&limit=: public masters only, no cookie read or set."""
    wanted = widget_settings()
    limit = _limit(request, wanted)
    enabled = wanted.enabled and refusal(Capability.PUBLISH) is None
    rows = [_shown(row, wanted) for row in board(limit)] if enabled else []
    as_of = rows[0]["row"].as_of if rows else None
    theme = request.GET.get("theme", "")
    response = render(
        request,
        "widgets/leaderboard.html",
        {
            "rows": rows,
            "enabled": enabled,
            "show_aum": wanted.show_aum,
            "as_of": as_of,
            "stale": as_of is not None and (timezone.now() - as_of).total_seconds() > STALE_AFTER_S,
            "min_trades": MIN_TRADES,
            "theme": theme if theme in THEMES else "",
        },
    )
    response._csp_replace = {"frame-ancestors": _ancestors(wanted)}  # type: ignore[attr-defined]
    # A version in the address changes with every publish; the figures follow within a minute.
    response["Cache-Control"] = "public, max-age=60"
    return response


def _ancestors(wanted: WidgetSettings) -> list[str]:
    return [_NOWHERE, *wanted.origins]


def _limit(request: HttpRequest, wanted: WidgetSettings) -> int:
    asked = request.GET.get("limit", "")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 4 else 0
    return min(number, wanted.row_limit) if number > 0 else wanted.row_limit


def _version(request: HttpRequest, wanted: WidgetSettings) -> str:
    return f"{tokens_for(request).version}.{wanted.version}"


def _shown(row: LeaderboardRow, wanted: WidgetSettings) -> dict[str, Any]:
    line, base = points(row.sparkline)
    return {
        "row": row,
        "gain": Decimal(repr(row.gain)),
        "drawdown": Decimal(repr(row.max_drawdown)),
        "win_rate": None if row.win_rate is None else Decimal(repr(row.win_rate)),
        "profit_factor": None if row.profit_factor is None else f"{row.profit_factor:.2f}",
        "aum_minor": row.aum_minor if wanted.show_aum else None,
        "is_live": row.source == LeaderboardRow.Source.LIVE,
        "few": row.trades < MIN_TRADES,
        "line": line,
        "base": base,
    }


@lru_cache(maxsize=1)
def _loader_text() -> str:
    path = Path(settings.BASE_DIR) / "static" / "js" / "widgets" / "loader.js"
    return path.read_text(encoding="utf-8")
