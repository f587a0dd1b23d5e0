"""POST: a book's execution mode, failed legs sent again. Thin."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework import serializers as drf
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api import serializers
from apps.api.base import ApiView
from apps.api.commands import by, committed, master_of_block, run, validated
from apps.api.controls import BookCommandView, described
from apps.api.idempotency import check_idempotency_key
from apps.api.selectors import account_by_public_id
from apps.core.book.commands import Command, RetryLegs, SetExecution


class ExecutionRequest(serializers.StrictSerializer):
    mode = drf.ChoiceField(["auto", "block", "mirror"])


class RetryLegsRequest(serializers.StrictSerializer):
    """Without `accounts`: every account whose order failed."""

    accounts = drf.ListField(
        child=drf.UUIDField(), required=False, allow_null=True, default=None, max_length=1000
    )


class ExecutionView(BookCommandView):
    wants, audit_action = ExecutionRequest, "api.book.execution"

    @described("set_execution", ExecutionRequest, serializers.BookCommandAnswer)
    def post(self, request: Request, book_id: UUID) -> Response:
        """How the next blocks are executed: block is one order and one price, mirror an order per
        account; auto is what the trading server can."""
        return self.execute(request, book_id)

    def command(self, command_id: UUID, request: Request, wanted: dict[str, Any]) -> Command:
        return SetExecution(command_id=command_id, mode=wanted["mode"], placed_by=by(request))


class RetryLegsView(ApiView):
    scope = "trade"

    @described("retry_legs", RetryLegsRequest, serializers.CommandAnswer)
    def post(self, request: Request, block_id: UUID) -> Response:
        """Send failed orders of an open mirror block again, under ids of their own.

        Only what its server has refused for good; an order without an outcome is settled by asking.
        """
        key = check_idempotency_key(request.headers.get("Idempotency-Key"))
        wanted = validated(RetryLegsRequest, request)
        master = master_of_block(request, block_id)
        accounts = wanted["accounts"]
        ids = None if accounts is None else [account_by_public_id(one).pk for one in accounts]

        def execute(command_id: UUID) -> dict[str, Any]:
            command = RetryLegs(
                command_id=command_id, block_id=block_id, account_ids=ids, placed_by=by(request)
            )
            return committed(master, command, block_id)

        return run(request, key, master, "api.block.retry_legs", execute, 200)
