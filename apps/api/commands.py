"""POST: place, preview, close, cancel. Thin: the book decides, the engine commits."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.access import master_for_trading
from apps.accounts.models import Master, Symbol
from apps.api import serializers
from apps.api.base import ApiView, key_from, user_from
from apps.api.idempotency import Ask, check_idempotency_key, run_once
from apps.api.reads import PAGING, blocks_page
from apps.api.selectors import account_by_public_id, accounts_by_id, book_id_of_block
from apps.core.allocation.rule import Reason, Rule
from apps.core.book.commands import CancelBlock, CloseBlock, Command, PlaceBlock
from apps.core.money import digits_of, from_minor
from apps.engine import client
from tenants.door import current_broker

HEADER = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    required=True,
    description="1–128 visible characters; the same key and body give the same answer",
)
ERRORS = serializers.COMMAND_ERRORS


class BlocksView(ApiView):
    @property
    def scope(self) -> str:  # type: ignore[override]
        return "trade" if self.request.method == "POST" else "read"

    @extend_schema(
        operation_id="list_blocks",
        parameters=PAGING,
        responses={200: serializers.BlockPage, **serializers.READ_ERRORS},
        tags=["blocks"],
    )
    def get(self, request: Request, book_id: UUID) -> Response:
        """The book's blocks, newest first."""
        return blocks_page(request, book_id)

    @extend_schema(
        operation_id="place_block",
        request=serializers.PlaceBlockRequest,
        parameters=[HEADER],
        responses={201: serializers.CommandAnswer, **ERRORS},
        tags=["blocks"],
    )
    def post(self, request: Request, book_id: UUID) -> Response:
        """Place a block: answered when the book's journal has committed it.

        504 means that the outcome is not known: send the same request with the same key again.
        """
        idempotency_key = check_idempotency_key(request.headers.get("Idempotency-Key"))
        wanted = validated(serializers.PlaceBlockRequest, request)
        master = master_for_trading(user_from(request), book_id)

        def execute(command_id: UUID) -> dict[str, Any]:
            return committed(master, _place(command_id, request, master, wanted), command_id)

        return run(request, idempotency_key, master, "api.block.place", execute, 201)


class PreviewView(ApiView):
    scope = "trade"

    @extend_schema(
        operation_id="preview_block",
        request=serializers.PlaceBlockRequest,
        responses={200: serializers.PreviewAnswer, **ERRORS},
        tags=["blocks"],
    )
    def post(self, request: Request, book_id: UUID) -> Response:
        """What placing the block would allocate now, account by account. Nothing is written."""
        wanted = validated(serializers.PlaceBlockRequest, request)
        master = master_for_trading(user_from(request), book_id)
        command = _place(UUID(int=0), request, master, wanted)
        preview = client.preview(current_broker(), master.public_id, command)
        return Response(serializers.PreviewAnswer(_preview_body(preview)).data)


class CloseView(ApiView):
    scope = "trade"

    @extend_schema(
        operation_id="close_block",
        request=serializers.CloseBlockRequest,
        parameters=[HEADER],
        responses={200: serializers.CommandAnswer, **ERRORS},
        tags=["blocks"],
    )
    def post(self, request: Request, block_id: UUID) -> Response:
        """Close `lots` or a `fraction` of the block at the market, or all that is open."""
        idempotency_key = check_idempotency_key(request.headers.get("Idempotency-Key"))
        wanted = validated(serializers.CloseBlockRequest, request)
        master = master_of_block(request, block_id)

        def execute(command_id: UUID) -> dict[str, Any]:
            command = CloseBlock(
                command_id=command_id,
                block_id=block_id,
                volume_lots=wanted["lots"],
                fraction=wanted["fraction"],
                placed_by=by(request),
            )
            return committed(master, command, block_id)

        return run(request, idempotency_key, master, "api.block.close", execute, 200)


class CancelView(ApiView):
    scope = "trade"

    @extend_schema(
        operation_id="cancel_block",
        request=serializers.CancelBlockRequest,
        parameters=[HEADER],
        responses={200: serializers.CommandAnswer, **ERRORS},
        tags=["blocks"],
    )
    def post(self, request: Request, block_id: UUID) -> Response:
        """Cancel a block that is still pending."""
        idempotency_key = check_idempotency_key(request.headers.get("Idempotency-Key"))
        validated(serializers.CancelBlockRequest, request)
        master = master_of_block(request, block_id)

        def execute(command_id: UUID) -> dict[str, Any]:
            command = CancelBlock(command_id=command_id, block_id=block_id, placed_by=by(request))
            return committed(master, command, block_id)

        return run(request, idempotency_key, master, "api.block.cancel", execute, 200)


def validated(kind: type[serializers.StrictSerializer], request: Request) -> dict[str, Any]:
    serializer = kind(data=request.data or {})
    serializer.is_valid(raise_exception=True)
    validated: dict[str, Any] = serializer.validated_data
    return validated


def master_of_block(request: Request, block_id: UUID) -> Master:
    user = user_from(request)
    return master_for_trading(user, book_id_of_block(user, block_id))


def by(request: Request) -> str:
    return f"{user_from(request).email} (API key {key_from(request).prefix})"


def _place(
    command_id: UUID, request: Request, master: Master, wanted: dict[str, Any]
) -> PlaceBlock:
    expires_at = wanted["expires_at"]
    return PlaceBlock(
        command_id=command_id,
        symbol=wanted["symbol"],
        side=wanted["side"],
        volume_lots=wanted["lots"],
        kind=wanted["type"],
        price=wanted["price"],
        limit_price=wanted["limit_price"],
        rule=Rule(method=wanted["method"]) if wanted["method"] else None,
        manual_lots=_manual_lots(wanted["manual_lots"]),
        stop_loss=wanted["stop_loss"],
        take_profit=wanted["take_profit"],
        trailing_distance=wanted["trailing_distance"],
        trailing_step=wanted["trailing_step"],
        expiry=wanted["expiry"],
        expires_at_ms=int(expires_at.timestamp() * 1000) if expires_at else None,
        token=wanted["token"],
        comment=wanted["comment"],
        placed_by=by(request),
    )


def _manual_lots(lots: dict[str, Decimal]) -> dict[int, Decimal]:
    """Public account ids → the engine's. Raises NotFoundError `account_unknown`."""
    return {account_by_public_id(public_id).pk: value for public_id, value in lots.items()}


def run(
    request: Request,
    idempotency_key: str,
    master: Master,
    action: str,
    execute: Any,
    status: int,
) -> Response:
    ask = Ask(
        key=key_from(request),
        idempotency_key=idempotency_key,
        path=request.path,
        body=request.data,
        book_id=master.public_id,
        action=action,
        request_id=str(getattr(request._request, "id", "")),
    )
    answer = run_once(ask, execute, status)
    headers = {"Idempotency-Replayed": "true"} if answer.replayed else {}
    return Response(answer.body, status=answer.status, headers=headers)


def committed(master: Master, command: Command, block_id: UUID) -> dict[str, Any]:
    """Execute and shape the outcome."""
    outcome = client.execute(current_broker(), master.public_id, command)
    result = outcome.result
    step = _step(master, command)
    body = {
        "command_id": command.command_id,
        "block_id": block_id,
        "status": str(result.get("status", "")),
        "seq": outcome.seq,
        "lots": _lots(result.get("order_steps"), step),
        "residual_lots": _lots(result.get("residual_steps"), step),
        "accounts": result.get("accounts"),
    }
    return dict(serializers.CommandAnswer(body).data)


def _step(master: Master, command: Command) -> Decimal | None:
    """The symbol's volume step; None where the command names no symbol that has a row."""
    if not isinstance(command, PlaceBlock):
        return None
    symbols = Symbol.objects.filter(server=master.account.server_id, name=command.symbol)
    return symbols.values_list("volume_step", flat=True).first()


def _lots(steps: int | None, step: Decimal | None) -> str | None:
    return None if steps is None or step is None else serializers.lots_text(steps, step)


def _preview_body(preview: client.Preview) -> dict[str, Any]:
    step = Decimal(preview.volume_step)
    point = Decimal(1).scaleb(-preview.digits)
    accounts = accounts_by_id([row.account_id for row in preview.rows])
    return {
        "symbol": preview.symbol,
        "side": preview.side,
        "requested_lots": serializers.lots_text(preview.requested_steps, step),
        "lots": serializers.lots_text(preview.order_steps, step),
        "residual_lots": serializers.lots_text(preview.residual_steps, step),
        "bid": str(preview.bid_points * point),
        "ask": str(preview.ask_points * point),
        "quote_at": datetime.fromtimestamp(preview.quote_at_ms / 1000, UTC),
        "token": preview.token,
        "tolerance_points": preview.tolerance_points,
        "max_age_ms": preview.max_age_ms,
        "rows": [
            {
                "account_id": account.public_id,
                "login": account.login,
                "equity": str(from_minor(row.equity_minor, digits_of(account.currency))),
                "currency": account.currency,
                "requested_lots": serializers.lots_text(row.requested_steps, step),
                "lots": str(row.steps * step),
                "reason": Reason(row.reason).name.lower(),
            }
            for row in preview.rows
            if (account := accounts.get(row.account_id)) is not None
        ],
    }
