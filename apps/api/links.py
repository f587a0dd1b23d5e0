"""POST: joining and leaving a master, tickets taken out, money in and out. Thin."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.access import link_of_staff, link_to_change, master_for_links
from apps.accounts.models import Link, Master, Role, TradingAccount
from apps.api import link_shapes as shapes
from apps.api import serializers
from apps.api.base import ApiView, user_from
from apps.api.commands import ERRORS, HEADER, by, run, validated
from apps.api.idempotency import check_idempotency_key
from apps.api.selectors import account_by_public_id, accounts_by_id
from apps.core.book.commands import AdjustBalance, DetachTickets, LinkAccount, UnlinkAccount
from apps.core.book.terms import terms_from_json
from apps.core.errors import InputError
from apps.core.money import digits_of, from_minor
from apps.engine import client, links
from tenants.door import current_broker


def _described(
    operation: str, request: Any, answer: Any, *, keyed: bool = True
) -> Callable[[Any], Any]:
    return extend_schema(
        operation_id=operation,
        request=request,
        parameters=[HEADER] if keyed else [],
        responses={200: answer, **ERRORS},
        tags=["links"],
    )


class _LinkView(ApiView):
    scope = "trade"

    def once(
        self,
        request: Request,
        master: Master,
        action: str,
        execute: Callable[[UUID], dict[str, Any]],
    ) -> Response:
        key = check_idempotency_key(request.headers.get("Idempotency-Key"))
        return run(request, key, master, action, execute, 200)


class LinksView(_LinkView):
    @_described("link_account", shapes.LinkRequest, shapes.LinkAnswer)
    def post(self, request: Request, book_id: UUID) -> Response:
        """Let an account follow this master. For the broker's own staff."""
        master = master_for_links(user_from(request), book_id)
        wanted = validated(shapes.LinkRequest, request)
        account = account_by_public_id(wanted["account_id"])

        def execute(command_id: UUID) -> dict[str, Any]:
            joined = links.join(
                current_broker(),
                master,
                account,
                user_from(request),
                joining=links.Joining(
                    mode=wanted["mode"],
                    token=wanted["token"],
                    terms=wanted["terms"],
                    command_id=command_id,
                ),
            )
            return _link_answer(command_id, account, joined.outcome)

        return self.once(request, master, "api.link.join", execute)


class LinkQuoteView(_LinkView):
    @_described("quote_link", shapes.LinkQuoteRequest, shapes.LinkQuoteAnswer, keyed=False)
    def post(self, request: Request, book_id: UUID) -> Response:
        """What the account would take over of every open block now, and what that costs it."""
        master = master_for_links(user_from(request), book_id)
        wanted = validated(shapes.LinkQuoteRequest, request)
        account = account_by_public_id(wanted["account_id"])
        command = LinkAccount(
            command_id=UUID(int=0),
            account_id=account.pk,
            mode=wanted["mode"],
            terms=terms_from_json(wanted["terms"]) if wanted["terms"] else None,
        )
        quote = client.preview_join(current_broker(), master.public_id, command)
        return Response(shapes.LinkQuoteAnswer(_quote_body(account, quote)).data)


class BulkLinkView(_LinkView):
    @_described("link_accounts", shapes.BulkLinkRequest, shapes.BulkLinkAnswer)
    def post(self, request: Request, book_id: UUID) -> Response:
        """Let many accounts follow this master, in one record of its journal."""
        master = master_for_links(user_from(request), book_id)
        wanted = validated(shapes.BulkLinkRequest, request)

        def execute(command_id: UUID) -> dict[str, Any]:
            outcome = links.join_many(
                current_broker(),
                master,
                wanted["account_ids"],
                user_from(request),
                mode=wanted["mode"],
                command_id=command_id,
            )
            return _bulk_answer(command_id, outcome)

        return self.once(request, master, "api.link.join_many", execute)


class LeaveView(_LinkView):
    @_described("unlink_account", shapes.LeaveRequest, shapes.LinkAnswer)
    def post(self, request: Request, book_id: UUID, account_id: UUID) -> Response:
        """Let an account leave: closed at the market, with its tickets kept, or when flat."""
        wanted = validated(shapes.LeaveRequest, request)
        link = link_to_change(user_from(request), book_id, account_id)

        def execute(command_id: UUID) -> dict[str, Any]:
            command = UnlinkAccount(
                command_id=command_id,
                account_id=link.account_id,
                mode=wanted["mode"],
                placed_by=by(request),
            )
            return _executed(link, command)

        return self.once(request, link.master, "api.link.leave", execute)


class DetachView(_LinkView):
    @_described("detach_tickets", shapes.DetachRequest, shapes.LinkAnswer)
    def post(self, request: Request, book_id: UUID, account_id: UUID) -> Response:
        """Take tickets of an account out of their blocks; it goes on following the master."""
        wanted = validated(shapes.DetachRequest, request)
        link = link_to_change(user_from(request), book_id, account_id)

        def execute(command_id: UUID) -> dict[str, Any]:
            command = DetachTickets(
                command_id=command_id,
                account_id=link.account_id,
                ticket_ids=sorted(set(wanted["ticket_ids"])),
                mode=wanted["mode"],
                placed_by=by(request),
            )
            return _executed(link, command)

        return self.once(request, link.master, "api.link.detach_tickets", execute)


class MoneyView(_LinkView):
    @_described("adjust_balance", shapes.MoneyRequest, shapes.MoneyAnswer)
    def post(self, request: Request, book_id: UUID, account_id: UUID) -> Response:
        """Deposit to or withdraw from an account; answered when its server has settled it."""
        wanted = validated(shapes.MoneyRequest, request)
        link = link_of_staff(user_from(request), book_id, account_id, Role.ADMIN, Role.FINANCE)
        digits = digits_of(link.account.currency)

        def execute(command_id: UUID) -> dict[str, Any]:
            command = AdjustBalance(
                command_id=command_id,
                account_id=link.account_id,
                kind=wanted["kind"],
                amount_minor=_minor(wanted["amount"], digits),
                placed_by=by(request),
            )
            return _money_answer(link.account, command, digits, link.master.public_id)

        return self.once(request, link.master, "api.link.money", execute)


def _executed(link: Link, command: UnlinkAccount | DetachTickets) -> dict[str, Any]:
    outcome = client.execute(current_broker(), link.master.public_id, command)
    return _link_answer(command.command_id, link.account, outcome)


def _link_answer(
    command_id: UUID, account: TradingAccount, outcome: client.Outcome
) -> dict[str, Any]:
    result = outcome.result
    body = {
        "command_id": command_id,
        "account_id": account.public_id,
        "status": str(result.get("status", "")),
        "seq": outcome.seq,
        "shares": result.get("shares", []),
        "tickets": _tickets(result),
    }
    return dict(shapes.LinkAnswer(body).data)


def _tickets(result: dict[str, Any]) -> int:
    closes = result.get("closes", [])
    return int(result.get("tickets", sum(len(close["ticket_ids"]) for close in closes)))


def _bulk_answer(command_id: UUID, outcome: client.Outcome) -> dict[str, Any]:
    result = outcome.result
    refused = result.get("refused", [])
    accounts = accounts_by_id([one["account_id"] for one in refused])
    body = {
        "command_id": command_id,
        "status": str(result.get("status", "")),
        "seq": outcome.seq,
        "linked": int(result.get("linked", 0)),
        "refused_count": int(result.get("refused_count", 0)),
        "refused": [
            {"account_id": accounts[one["account_id"]].public_id, "code": one["code"]}
            for one in refused
            if one["account_id"] in accounts
        ],
    }
    return dict(shapes.BulkLinkAnswer(body).data)


def _money_answer(
    account: TradingAccount, command: AdjustBalance, digits: int, book_id: UUID
) -> dict[str, Any]:
    outcome = client.execute(current_broker(), book_id, command)
    result = outcome.result
    body = {
        "command_id": command.command_id,
        "status": str(result["status"]),
        "seq": outcome.seq,
        "amount": str(from_minor(int(result["amount_minor"]), digits)),
        "balance": str(from_minor(int(result.get("balance_minor", 0)), digits)),
        "currency": account.currency,
        "code": str(result.get("code", "")),
    }
    return dict(shapes.MoneyAnswer(body).data)


def _minor(amount: Decimal, digits: int) -> int:
    """Exact minor units. Raises InputError `amount_invalid` for more digits than the currency's."""
    minor = amount.scaleb(digits)
    if minor != minor.to_integral_value():
        raise InputError("amount_invalid", f"{amount} has more than {digits} digits.")
    return int(minor)


def _quote_body(account: TradingAccount, quote: client.JoinQuote) -> dict[str, Any]:
    def money(minor: int) -> str:
        return str(from_minor(minor, quote.currency_digits))

    return {
        "account_id": account.public_id,
        "mode": quote.mode,
        "currency": quote.currency,
        "equity": money(quote.equity_minor),
        "free": money(quote.free_minor),
        "spread_cost": money(quote.spread_minor),
        "commission": money(quote.commission_minor),
        "margin": money(quote.margin_minor),
        "token": quote.token,
        "max_age_ms": quote.max_age_ms,
        "rows": [
            {
                "parent_id": row.parent_id,
                "symbol": row.symbol,
                "side": row.side,
                "lots": serializers.lots_text(row.steps, Decimal(row.volume_step)),
                "price": str(Decimal(row.price_points).scaleb(-row.digits)),
                "parent_price": str(Decimal(row.parent_points).scaleb(-row.digits)),
                "spread_cost": money(row.spread_minor),
                "margin": money(row.margin_minor),
                "code": row.code,
            }
            for row in quote.rows
        ],
    }
