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
from apps.api.fees import AccrualsView, FeesView
from apps.api.links import (
    BulkLinkView,
    DetachView,
    LeaveView,
    LinkQuoteView,
    LinksView,
    MoneyView,
)
from apps.api.mirror import ExecutionView, RetryLegsView
from apps.api.openapi import docs_view, schema_view
from apps.api.reads import AllocationsView, BlockView, BooksView, RoundingView, TicketsView
from apps.api.risk import (
    AccountLimitsView,
    AccountRiskView,
    BookLimitsView,
    BookRiskView,
    HardStopPreviewView,
    HardStopView,
    LiftAccountView,
    LiftBookView,
    PauseView,
    StopsView,
)

app_name = "api"
urlpatterns = [
    path("schema", schema_view, name="schema"),
    path("docs", docs_view, name="docs"),
    path("books", BooksView.as_view(), name="books"),
    path("books/<uuid:book_id>/blocks", BlocksView.as_view(), name="blocks"),
    path("books/<uuid:book_id>/blocks/preview", PreviewView.as_view(), name="preview"),
    path("books/<uuid:book_id>/close-all", CloseAllView.as_view(), name="close_all"),
    path("books/<uuid:book_id>/cancel-all", CancelAllView.as_view(), name="cancel_all"),
    path("books/<uuid:book_id>/risk", BookRiskView.as_view(), name="book_risk"),
    path("books/<uuid:book_id>/protection", BookLimitsView.as_view(), name="book_limits"),
    path("books/<uuid:book_id>/stops", StopsView.as_view(), name="stops"),
    path("books/<uuid:book_id>/lift", LiftBookView.as_view(), name="lift_book"),
    path("books/<uuid:book_id>/hard-stop", HardStopView.as_view(), name="hard_stop"),
    path(
        "books/<uuid:book_id>/hard-stop/preview",
        HardStopPreviewView.as_view(),
        name="hard_stop_preview",
    ),
    path(
        "books/<uuid:book_id>/links/<uuid:account_id>/risk",
        AccountRiskView.as_view(),
        name="account_risk",
    ),
    path(
        "books/<uuid:book_id>/links/<uuid:account_id>/protection",
        AccountLimitsView.as_view(),
        name="account_limits",
    ),
    path("books/<uuid:book_id>/links/<uuid:account_id>/pause", PauseView.as_view(), name="pause"),
    path(
        "books/<uuid:book_id>/links/<uuid:account_id>/lift",
        LiftAccountView.as_view(),
        name="lift_account",
    ),
    path("books/<uuid:book_id>/house-rounding", RoundingView.as_view(), name="house_rounding"),
    path("books/<uuid:book_id>/execution", ExecutionView.as_view(), name="execution"),
    path("books/<uuid:book_id>/rule", RuleView.as_view(), name="rule"),
    path("books/<uuid:book_id>/links/<uuid:account_id>/terms", TermsView.as_view(), name="terms"),
    path(
        "books/<uuid:book_id>/links/<uuid:account_id>/status",
        LinkStatusView.as_view(),
        name="link_status",
    ),
    path("books/<uuid:book_id>/links", LinksView.as_view(), name="links"),
    path("books/<uuid:book_id>/links/quote", LinkQuoteView.as_view(), name="link_quote"),
    path("books/<uuid:book_id>/links/bulk", BulkLinkView.as_view(), name="link_bulk"),
    path("books/<uuid:book_id>/links/<uuid:account_id>/leave", LeaveView.as_view(), name="leave"),
    path(
        "books/<uuid:book_id>/links/<uuid:account_id>/detach", DetachView.as_view(), name="detach"
    ),
    path("books/<uuid:book_id>/links/<uuid:account_id>/money", MoneyView.as_view(), name="money"),
    path("blocks/<uuid:block_id>/legs/retry", RetryLegsView.as_view(), name="retry_legs"),
    path("blocks/<uuid:block_id>/amend", AmendView.as_view(), name="amend"),
    path("blocks/<uuid:block_id>", BlockView.as_view(), name="block"),
    path("blocks/<uuid:block_id>/close", CloseView.as_view(), name="close"),
    path("blocks/<uuid:block_id>/close-by", CloseByView.as_view(), name="close_by"),
    path("blocks/<uuid:block_id>/reverse", ReverseView.as_view(), name="reverse"),
    path("blocks/<uuid:block_id>/cancel", CancelView.as_view(), name="cancel"),
    path("blocks/<uuid:block_id>/allocations", AllocationsView.as_view(), name="allocations"),
    path("blocks/<uuid:block_id>/tickets", TicketsView.as_view(), name="tickets"),
    path("fees", FeesView.as_view(), name="fees"),
    path("fees/accruals", AccrualsView.as_view(), name="accruals"),
    re_path(r"", UnknownView.as_view(), name="unknown"),
]
