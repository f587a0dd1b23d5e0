"""Limits and stops: set, confirm, lift, read. Thin; who asks decides as which party."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.access import link_for_risk, master_for_risk
from apps.accounts.models import Master
from apps.allocation.models import ProtectionStop
from apps.allocation.selectors.protection import limits_of, stop_in_force, stopped_accounts
from apps.api import serializers
from apps.api.base import ApiView, Cursor, user_from
from apps.api.commands import ERRORS, HEADER, by, run, validated
from apps.api.controls import book_answer
from apps.api.idempotency import check_idempotency_key
from apps.api.reads import PAGING
from apps.api.selectors import accounts_by_id, book_of
from apps.core.book.commands import Command, HardStop, LiftStop, SetLinkStatus, SetProtection
from apps.core.book.risk.settings import protection_from_json
from apps.core.money import digits_of, from_minor
from apps.engine import client
from tenants.door import current_broker

Make = Callable[[UUID], Command]


def _posts(operation: str, wants: Any) -> Callable[[Any], Any]:
    return extend_schema(
        operation_id=operation,
        request=wants,
        parameters=[HEADER],
        responses={200: serializers.BookCommandAnswer, **ERRORS},
        tags=["risk"],
    )


def _execute(request: Request, master: Master, action: str, make: Make) -> Response:
    """Run a command of risk once for its idempotency key."""
    key = check_idempotency_key(request.headers.get("Idempotency-Key"))

    def work(command_id: UUID) -> dict[str, Any]:
        return book_answer(master, make(command_id))

    return run(request, key, master, action, work, 200)


class BookRiskView(ApiView):
    @extend_schema(
        operation_id="get_book_risk",
        responses={200: serializers.BookRiskAnswer, **serializers.READ_ERRORS},
        tags=["risk"],
    )
    def get(self, request: Request, book_id: UUID) -> Response:
        """The book's limits by party, and the stop that holds it."""
        book_of(user_from(request), book_id)
        body = {
            "master": limits_of(book_id, "master"),
            "every_account": limits_of(book_id, "every_account"),
            "stop": _shown_or_none(stop_in_force(book_id, None)),
            "stopped_accounts": stopped_accounts(book_id),
        }
        return Response(serializers.BookRiskAnswer(body).data)


class BookLimitsView(ApiView):
    scope = "trade"

    @_posts("set_book_protection", serializers.BookLimitsRequest)
    def post(self, request: Request, book_id: UUID) -> Response:
        """Set all your limits of the master, or of every account of the book."""
        wanted = validated(serializers.BookLimitsRequest, request)
        master, party = master_for_risk(user_from(request), book_id)
        protection = protection_from_json(wanted["protection"], wanted["scope"])

        def make(command_id: UUID) -> Command:
            return SetProtection(
                command_id=command_id,
                scope=wanted["scope"],
                party=party,
                protection=protection,
                placed_by=by(request),
            )

        return _execute(request, master, "api.risk.protection", make)


class HardStopPreviewView(ApiView):
    scope = "trade"

    @extend_schema(
        operation_id="preview_hard_stop",
        request=serializers.NothingRequest,
        responses={200: serializers.HardStopAnswer, **ERRORS},
        tags=["risk"],
    )
    def post(self, request: Request, book_id: UUID) -> Response:
        """What a hard stop would close now, with the token that confirms it. Changes nothing."""
        validated(serializers.NothingRequest, request)
        master, party = master_for_risk(user_from(request), book_id)
        ask = HardStop(command_id=UUID(int=0), party=party, token="")
        seen = client.preview_stop(current_broker(), master.public_id, ask)
        digits = digits_of(seen.currency)
        body = {
            "token": seen.token,
            "blocks": seen.blocks,
            "tickets": seen.tickets,
            "pending": seen.pending,
            "lots": seen.lots,
            "notional": str(from_minor(seen.notional_minor, digits)),
            "pnl": str(from_minor(seen.pnl_minor, digits)),
            "currency": seen.currency,
            "max_age_ms": seen.max_age_ms,
        }
        return Response(serializers.HardStopAnswer(body).data)


class HardStopView(ApiView):
    scope = "trade"

    @_posts("hard_stop", serializers.HardStopRequest)
    def post(self, request: Request, book_id: UUID) -> Response:
        """Close only, cancel, close everything, verify, block. The token is the preview's."""
        wanted = validated(serializers.HardStopRequest, request)
        master, party = master_for_risk(user_from(request), book_id)

        def make(command_id: UUID) -> Command:
            return HardStop(
                command_id=command_id,
                party=party,
                token=wanted["token"],
                placed_by=by(request),
            )

        return _execute(request, master, "api.risk.hard_stop", make)


class LiftBookView(ApiView):
    scope = "trade"

    @_posts("lift_book_stop", serializers.NothingRequest)
    def post(self, request: Request, book_id: UUID) -> Response:
        """Let a blocked book trade again; its references start anew."""
        validated(serializers.NothingRequest, request)
        master, party = master_for_risk(user_from(request), book_id)

        def make(command_id: UUID) -> Command:
            return LiftStop(command_id=command_id, party=party, placed_by=by(request))

        return _execute(request, master, "api.risk.lift", make)


class StopsView(ApiView):
    @extend_schema(
        operation_id="list_stops",
        parameters=PAGING,
        responses={200: serializers.StopPage, **serializers.READ_ERRORS},
        tags=["risk"],
    )
    def get(self, request: Request, book_id: UUID) -> Response:
        """All stops of the book and its accounts, newest first."""
        book_of(user_from(request), book_id)
        cursor = Cursor()
        cursor.ordering = ("-triggered_at", "id")
        found = ProtectionStop.objects.filter(book_id=book_id)
        page: list[ProtectionStop] = cursor.paginate_queryset(found, request, self) or []
        return cursor.get_paginated_response(_shown(page))


class AccountRiskView(ApiView):
    @extend_schema(
        operation_id="get_account_risk",
        responses={200: serializers.AccountRiskAnswer, **serializers.READ_ERRORS},
        tags=["risk"],
    )
    def get(self, request: Request, book_id: UUID, account_id: UUID) -> Response:
        """One account's limits by party, and its stop. An investor reads the own account."""
        link, _ = link_for_risk(user_from(request), book_id, account_id)
        body = {
            "status": link.status,
            "protections": limits_of(book_id, "account", link.account_id),
            "every_account": limits_of(book_id, "every_account"),
            "stop": _shown_or_none(stop_in_force(book_id, link.account_id)),
        }
        return Response(serializers.AccountRiskAnswer(body).data)


class AccountLimitsView(ApiView):
    scope = "trade"

    @_posts("set_account_protection", serializers.LimitsRequest)
    def post(self, request: Request, book_id: UUID, account_id: UUID) -> Response:
        """Set all your limits of one account; the strictest of all parties holds."""
        wanted = validated(serializers.LimitsRequest, request)
        link, party = link_for_risk(user_from(request), book_id, account_id)
        protection = protection_from_json(wanted["protection"], "account")

        def make(command_id: UUID) -> Command:
            return SetProtection(
                command_id=command_id,
                scope="account",
                party=party,
                account_id=link.account_id,
                protection=protection,
                placed_by=by(request),
            )

        return _execute(request, link.master, "api.risk.protection", make)


class PauseView(ApiView):
    scope = "trade"

    @_posts("pause_account", serializers.PauseRequest)
    def post(self, request: Request, book_id: UUID, account_id: UUID) -> Response:
        """Take no part in new blocks, or take part again. An investor resumes the own pause."""
        wanted = validated(serializers.PauseRequest, request)
        link, party = link_for_risk(user_from(request), book_id, account_id)

        def make(command_id: UUID) -> Command:
            return SetLinkStatus(
                command_id=command_id,
                account_id=link.account_id,
                status="paused" if wanted["paused"] else "active",
                party=party,
                placed_by=by(request),
            )

        return _execute(request, link.master, "api.risk.pause", make)


class LiftAccountView(ApiView):
    scope = "trade"

    @_posts("lift_account_stop", serializers.NothingRequest)
    def post(self, request: Request, book_id: UUID, account_id: UUID) -> Response:
        """Let a blocked account trade again: whose limit stopped it, or the broker."""
        validated(serializers.NothingRequest, request)
        link, party = link_for_risk(user_from(request), book_id, account_id)

        def make(command_id: UUID) -> Command:
            return LiftStop(
                command_id=command_id,
                party=party,
                account_id=link.account_id,
                placed_by=by(request),
            )

        return _execute(request, link.master, "api.risk.lift", make)


def _shown_or_none(stop: ProtectionStop | None) -> dict[str, Any] | None:
    return None if stop is None else _shown([stop])[0]


def _shown(stops: list[ProtectionStop]) -> list[dict[str, Any]]:
    """Rows for StopAnswer."""
    accounts = accounts_by_id([stop.account_id for stop in stops if stop.account_id is not None])
    rows = []
    for stop in stops:
        account = accounts.get(stop.account_id) if stop.account_id is not None else None
        digits = digits_of(stop.currency)
        rows.append(
            {
                "id": stop.id,
                "account_id": account.public_id if account else None,
                "login": account.login if account else None,
                "reason": stop.reason,
                "set_by": stop.party,
                "phase": stop.phase,
                "attempts": stop.attempts,
                "equity": str(from_minor(stop.equity_minor, digits)),
                "level": str(from_minor(stop.level_minor, digits)),
                "currency": stop.currency,
                "triggered_at": stop.triggered_at,
                "blocked_at": stop.blocked_at,
                "lifted_at": stop.lifted_at,
                "lifted_by": stop.lifted_by,
            }
        )
    return [dict(serializers.StopAnswer(row).data) for row in rows]
