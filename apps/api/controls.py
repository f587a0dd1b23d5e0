"""POST: amend, everything at once, the book's rule, a link's terms and status. Thin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.access import master_for_trading
from apps.accounts.models import Master
from apps.api import serializers
from apps.api.base import ApiView, user_from
from apps.api.commands import ERRORS, HEADER, by, committed, master_of_block, run, validated
from apps.api.idempotency import check_idempotency_key
from apps.api.selectors import account_by_public_id
from apps.core.allocation import Rule
from apps.core.book.commands import (
    AmendBlock,
    CancelAll,
    CloseAll,
    CloseBy,
    Command,
    ReverseBlock,
    SetLinkStatus,
    SetLinkTerms,
    SetRule,
)
from apps.core.book.reversing import opposite_block_id
from apps.core.book.terms import terms_from_json
from apps.engine import client
from tenants.door import current_broker


def described(operation: str, request: Any, answer: Any) -> Callable[[Any], Any]:
    return extend_schema(
        operation_id=operation,
        request=request,
        parameters=[HEADER],
        responses={200: answer, **ERRORS},
        tags=["book" if answer is serializers.BookCommandAnswer else "blocks"],
    )


class AmendView(ApiView):
    scope = "trade"

    @described("amend_block", serializers.AmendBlockRequest, serializers.CommandAnswer)
    def post(self, request: Request, block_id: UUID) -> Response:
        """Change price or lots of a pending block, stop loss or take profit of any."""
        key = check_idempotency_key(request.headers.get("Idempotency-Key"))
        wanted = validated(serializers.AmendBlockRequest, request)
        master = master_of_block(request, block_id)

        def execute(command_id: UUID) -> dict[str, Any]:
            command = AmendBlock(
                command_id=command_id,
                block_id=block_id,
                price=wanted["price"],
                limit_price=wanted["limit_price"],
                volume_lots=wanted["lots"],
                stop_loss=wanted["stop_loss"],
                take_profit=wanted["take_profit"],
                trailing_distance=wanted["trailing_distance"],
                trailing_step=wanted["trailing_step"],
                placed_by=by(request),
            )
            return committed(master, command, block_id)

        return run(request, key, master, "api.block.amend", execute, 200)


class CloseByView(ApiView):
    scope = "trade"

    @described("close_block_by", serializers.CloseByRequest, serializers.CommandAnswer)
    def post(self, request: Request, block_id: UUID) -> Response:
        """Close the block and an opposite one of its symbol against each other.

        Per account the smaller of its two tickets; what is left of the larger stays open.
        """
        key = check_idempotency_key(request.headers.get("Idempotency-Key"))
        wanted = validated(serializers.CloseByRequest, request)
        master = master_of_block(request, block_id)

        def execute(command_id: UUID) -> dict[str, Any]:
            command = CloseBy(
                command_id=command_id,
                block_id=block_id,
                other_block_id=wanted["other_block_id"],
                placed_by=by(request),
            )
            return committed(master, command, block_id)

        return run(request, key, master, "api.block.close_by", execute, 200)


class ReverseView(ApiView):
    scope = "trade"

    @described("reverse_block", serializers.ReverseBlockRequest, serializers.CommandAnswer)
    def post(self, request: Request, block_id: UUID) -> Response:
        """Close the block and, when that has filled, open the opposite: the answer's block_id.

        The opposite is cancelled when the closing fails (`reverse_not_closed`), and rejected with
        its reason when the market or the accounts refuse it: the old block is closed then.
        """
        key = check_idempotency_key(request.headers.get("Idempotency-Key"))
        wanted = validated(serializers.ReverseBlockRequest, request)
        master = master_of_block(request, block_id)

        def execute(command_id: UUID) -> dict[str, Any]:
            command = ReverseBlock(
                command_id=command_id,
                block_id=block_id,
                volume_lots=wanted["lots"],
                stop_loss=wanted["stop_loss"],
                take_profit=wanted["take_profit"],
                trailing_distance=wanted["trailing_distance"],
                trailing_step=wanted["trailing_step"],
                placed_by=by(request),
            )
            return committed(master, command, opposite_block_id(command_id))

        return run(request, key, master, "api.block.reverse", execute, 200)


class BookCommandView(ApiView):
    """A command to a whole book: a subclass names its request and makes the command."""

    scope = "trade"
    wants: ClassVar[type[serializers.StrictSerializer]]
    # Not `action`: OpenAPI would look for its description under that name.
    audit_action: ClassVar[str]

    def command(self, command_id: UUID, request: Request, wanted: dict[str, Any]) -> Command:
        raise NotImplementedError

    def execute(self, request: Request, book_id: UUID) -> Response:
        key = check_idempotency_key(request.headers.get("Idempotency-Key"))
        wanted = validated(self.wants, request)
        master = master_for_trading(user_from(request), book_id)

        def work(command_id: UUID) -> dict[str, Any]:
            return book_answer(master, self.command(command_id, request, wanted))

        return run(request, key, master, self.audit_action, work, 200)


def book_answer(master: Master, command: Command) -> dict[str, Any]:
    """Execute a command to a whole book and shape its outcome."""
    outcome = client.execute(current_broker(), master.public_id, command)
    body = {
        "command_id": command.command_id,
        "status": str(outcome.result.get("status", "")),
        "seq": outcome.seq,
        "blocks": outcome.result.get("blocks"),
    }
    return dict(serializers.BookCommandAnswer(body).data)


class CloseAllView(BookCommandView):
    wants, audit_action = serializers.SymbolRequest, "api.book.close_all"

    @described("close_all", serializers.SymbolRequest, serializers.BookCommandAnswer)
    def post(self, request: Request, book_id: UUID) -> Response:
        """Close every open block of the book, or of one symbol, at the market."""
        return self.execute(request, book_id)

    def command(self, command_id: UUID, request: Request, wanted: dict[str, Any]) -> Command:
        return CloseAll(command_id=command_id, symbol=wanted["symbol"], placed_by=by(request))


class CancelAllView(BookCommandView):
    wants, audit_action = serializers.SymbolRequest, "api.book.cancel_all"

    @described("cancel_all", serializers.SymbolRequest, serializers.BookCommandAnswer)
    def post(self, request: Request, book_id: UUID) -> Response:
        """Cancel every pending block of the book, or of one symbol."""
        return self.execute(request, book_id)

    def command(self, command_id: UUID, request: Request, wanted: dict[str, Any]) -> Command:
        return CancelAll(command_id=command_id, symbol=wanted["symbol"], placed_by=by(request))


class RuleView(BookCommandView):
    wants, audit_action = serializers.RuleRequest, "api.book.rule"

    @described("set_rule", serializers.RuleRequest, serializers.BookCommandAnswer)
    def post(self, request: Request, book_id: UUID) -> Response:
        """Set the book's rule and default terms, for every allocation from now on."""
        return self.execute(request, book_id)

    def command(self, command_id: UUID, request: Request, wanted: dict[str, Any]) -> Command:
        return SetRule(
            command_id=command_id,
            rule=Rule.from_dict(wanted["rule"]),
            defaults=terms_from_json(wanted["defaults"]),
            placed_by=by(request),
        )


class _LinkCommandView(BookCommandView):
    def execute_for(self, request: Request, book_id: UUID, account_id: UUID) -> Response:
        self.account_id = account_by_public_id(account_id).pk
        return self.execute(request, book_id)


class TermsView(_LinkCommandView):
    wants, audit_action = serializers.TermsRequest, "api.link.terms"

    @described("set_link_terms", serializers.TermsRequest, serializers.BookCommandAnswer)
    def post(self, request: Request, book_id: UUID, account_id: UUID) -> Response:
        """Set all parameters and caps of one account's link; what is left out is none."""
        return self.execute_for(request, book_id, account_id)

    def command(self, command_id: UUID, request: Request, wanted: dict[str, Any]) -> Command:
        return SetLinkTerms(
            command_id=command_id,
            account_id=self.account_id,
            terms=terms_from_json(wanted["terms"]),
            placed_by=by(request),
        )


class LinkStatusView(_LinkCommandView):
    wants, audit_action = serializers.LinkStatusRequest, "api.link.status"

    @described("set_link_status", serializers.LinkStatusRequest, serializers.BookCommandAnswer)
    def post(self, request: Request, book_id: UUID, account_id: UUID) -> Response:
        """Pause one account's link, restrict it to closing, or resume it."""
        return self.execute_for(request, book_id, account_id)

    def command(self, command_id: UUID, request: Request, wanted: dict[str, Any]) -> Command:
        return SetLinkStatus(
            command_id=command_id,
            account_id=self.account_id,
            status=wanted["status"],
            placed_by=by(request),
        )
