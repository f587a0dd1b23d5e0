"""GET: books, blocks, allocations, tickets."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.allocation.models import Allocation, Block, Ticket
from apps.api import serializers
from apps.api.base import ApiView, Cursor, user_from
from apps.api.selectors import accounts_by_id, block_of, book_of, books_of, roundings_of
from apps.core.money import digits_of, from_minor

PAGING = [
    OpenApiParameter("cursor", OpenApiTypes.STR, description="from `next` or `previous`"),
    OpenApiParameter("limit", OpenApiTypes.INT, description="1–500, 100 by default"),
]


class BooksView(ApiView):
    @extend_schema(
        operation_id="list_books",
        responses={200: serializers.BookAnswer(many=True), **serializers.READ_ERRORS},
        tags=["books"],
    )
    def get(self, request: Request) -> Response:
        """The books that the key's owner trades or oversees."""
        return Response(serializers.BookAnswer(books_of(user_from(request)), many=True).data)


class RoundingView(ApiView):
    @extend_schema(
        operation_id="house_rounding",
        responses={200: serializers.RoundingAnswer(many=True), **serializers.READ_ERRORS},
        tags=["books"],
    )
    def get(self, request: Request, book_id: UUID) -> Response:
        """What booking every order at one price left for the house account, by symbol."""
        rows = roundings_of(book_of(user_from(request), book_id))
        return Response(serializers.RoundingAnswer(rows, many=True).data)


class BlockView(ApiView):
    @extend_schema(
        operation_id="get_block",
        responses={
            200: serializers.BlockAnswer,
            **serializers.READ_ERRORS,
            503: serializers.ErrorAnswer,
        },
        tags=["blocks"],
    )
    def get(self, request: Request, block_id: UUID) -> Response:
        """One block."""
        return Response(serializers.BlockAnswer(block_of(user_from(request), block_id)).data)


class AllocationsView(ApiView):
    @extend_schema(
        operation_id="list_allocations",
        parameters=PAGING,
        responses={200: serializers.AllocationPage, **serializers.READ_ERRORS},
        tags=["blocks"],
    )
    def get(self, request: Request, block_id: UUID) -> Response:
        """How the block was divided: every account's share and why it is that share."""
        block = block_of(user_from(request), block_id)
        pages = Cursor()
        pages.ordering = "id"
        rows = pages.paginate_queryset(Allocation.objects.filter(block_id=block.id), request) or []
        accounts = accounts_by_id([row.account_id for row in rows])
        shown = [
            {
                "account_id": accounts[row.account_id].public_id,
                "login": accounts[row.account_id].login,
                "requested_lots": f"{(row.requested_steps * block.volume_step).normalize():f}",
                "lots": serializers.lots_text(row.steps, block.volume_step),
                "reason": row.reason,
                "leg_status": row.leg_status,
                "leg_code": row.leg_code,
                "slippage_points": row.slippage_points,
            }
            for row in rows
        ]
        return pages.get_paginated_response(serializers.AllocationAnswer(shown, many=True).data)


class TicketsView(ApiView):
    @extend_schema(
        operation_id="list_tickets",
        parameters=PAGING,
        responses={200: serializers.TicketPage, **serializers.READ_ERRORS},
        tags=["blocks"],
    )
    def get(self, request: Request, block_id: UUID) -> Response:
        """The positions that the block opened in the sub-accounts."""
        block = block_of(user_from(request), block_id)
        pages = Cursor()
        pages.ordering = "id"
        rows = pages.paginate_queryset(Ticket.objects.filter(block_id=block.id), request) or []
        accounts = accounts_by_id([row.account_id for row in rows])
        shown = [_ticket(row, block, accounts[row.account_id]) for row in rows]
        return pages.get_paginated_response(serializers.TicketAnswer(shown, many=True).data)


def _ticket(row: Ticket, block: Block, account: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "account_id": account.public_id,
        "login": account.login,
        "symbol": row.symbol,
        "side": serializers.side_name(row.side),
        "lots": serializers.lots_text(row.steps, row.volume_step),
        "open_lots": serializers.lots_text(row.open_steps, row.volume_step),
        "open_price": serializers.price_text(row.open_price, block.digits),
        "close_price": serializers.price_text(row.close_price, block.digits),
        "realised": str(from_minor(row.realised_minor, digits_of(account.currency))),
        "currency": account.currency,
        "opened_at": row.opened_at,
        "closed_at": row.closed_at,
        "released_at": row.released_at,
    }


def blocks_page(request: Request, book_id: UUID) -> Response:
    """A page of the book's blocks, newest first."""
    book = book_of(user_from(request), book_id)
    pages = Cursor()
    pages.ordering = ("-placed_at", "id")
    rows = pages.paginate_queryset(Block.objects.filter(book_id=book.public_id), request) or []
    return pages.get_paginated_response(serializers.BlockAnswer(rows, many=True).data)
