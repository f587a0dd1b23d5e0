"""URLs of REST v1."""

from django.urls import path, re_path

from apps.api.base import UnknownView
from apps.api.commands import BlocksView, CancelView, CloseView, PreviewView
from apps.api.controls import (
    AmendView,
    CancelAllView,
    CloseAllView,
    CloseByView,
    LinkStatusView,
    ReverseView,
    RuleView,
    TermsView,
)
from apps.api.mirror import ExecutionView, RetryLegsView
from apps.api.openapi import docs_view, schema_view
from apps.api.reads import AllocationsView, BlockView, BooksView, TicketsView

app_name = "api"
urlpatterns = [
    path("schema", schema_view, name="schema"),
    path("docs", docs_view, name="docs"),
    path("books", BooksView.as_view(), name="books"),
    path("books/<uuid:book_id>/blocks", BlocksView.as_view(), name="blocks"),
    path("books/<uuid:book_id>/blocks/preview", PreviewView.as_view(), name="preview"),
    path("books/<uuid:book_id>/close-all", CloseAllView.as_view(), name="close_all"),
    path("books/<uuid:book_id>/cancel-all", CancelAllView.as_view(), name="cancel_all"),
    path("books/<uuid:book_id>/execution", ExecutionView.as_view(), name="execution"),
    path("books/<uuid:book_id>/rule", RuleView.as_view(), name="rule"),
    path("books/<uuid:book_id>/links/<uuid:account_id>/terms", TermsView.as_view(), name="terms"),
    path(
        "books/<uuid:book_id>/links/<uuid:account_id>/status",
        LinkStatusView.as_view(),
        name="link_status",
    ),
    path("blocks/<uuid:block_id>/legs/retry", RetryLegsView.as_view(), name="retry_legs"),
    path("blocks/<uuid:block_id>/amend", AmendView.as_view(), name="amend"),
    path("blocks/<uuid:block_id>", BlockView.as_view(), name="block"),
    path("blocks/<uuid:block_id>/close", CloseView.as_view(), name="close"),
    path("blocks/<uuid:block_id>/close-by", CloseByView.as_view(), name="close_by"),
    path("blocks/<uuid:block_id>/reverse", ReverseView.as_view(), name="reverse"),
    path("blocks/<uuid:block_id>/cancel", CancelView.as_view(), name="cancel"),
    path("blocks/<uuid:block_id>/allocations", AllocationsView.as_view(), name="allocations"),
    path("blocks/<uuid:block_id>/tickets", TicketsView.as_view(), name="tickets"),
    re_path(r"", UnknownView.as_view(), name="unknown"),
]
