"""URLs of the manager's pages."""

from django.urls import path

from apps.portals.manager.views import (
    blocks,
    controls,
    documents,
    earnings,
    links,
    orders,
    risk,
    tables,
    terminal,
)

app_name = "manager"
urlpatterns = [
    path("", terminal.home, name="home"),
    path("documents/", documents.listing, name="documents"),
    path("documents/<uuid:public_id>.pdf", documents.pdf, name="document_pdf"),
    path("earnings/", earnings.earnings, name="earnings"),
    path("<uuid:book_id>/", terminal.terminal, name="terminal"),
    path("<uuid:book_id>/bars", terminal.bars, name="bars"),
    path("<uuid:book_id>/preview", orders.preview, name="preview"),
    path("<uuid:book_id>/orders", orders.place, name="place"),
    path("<uuid:book_id>/blocks", tables.blocks, name="blocks"),
    path("<uuid:book_id>/blocks/<uuid:block_id>/tickets", tables.tickets, name="tickets"),
    path("<uuid:book_id>/blocks/<uuid:block_id>/close", blocks.close, name="close"),
    path("<uuid:book_id>/blocks/<uuid:block_id>/cancel", blocks.cancel, name="cancel"),
    path("<uuid:book_id>/blocks/<uuid:block_id>/amend", blocks.amend, name="amend"),
    path("<uuid:book_id>/blocks/<uuid:block_id>/reverse", blocks.reverse, name="reverse"),
    path("<uuid:book_id>/blocks/<uuid:block_id>/close-by", blocks.close_by, name="close_by"),
    path("<uuid:book_id>/blocks/<uuid:block_id>/retry-legs", blocks.retry_legs, name="retry_legs"),
    path("<uuid:book_id>/rule", controls.rule, name="rule"),
    path("<uuid:book_id>/close-all", controls.close_all, name="close_all"),
    path("<uuid:book_id>/cancel-all", controls.cancel_all, name="cancel_all"),
    path("<uuid:book_id>/accounts", tables.accounts, name="accounts"),
    path("<uuid:book_id>/accounts/<uuid:account_id>/terms", links.terms, name="terms"),
    path("<uuid:book_id>/accounts/<uuid:account_id>/status", links.status, name="status"),
    path("<uuid:book_id>/risk", risk.risk, name="risk"),
    path("<uuid:book_id>/risk/<str:scope>/limits", risk.book_limits, name="book_limits"),
    path("<uuid:book_id>/risk/stop", risk.hard_stop, name="hard_stop"),
    path("<uuid:book_id>/risk/lift", risk.lift_book, name="lift_book"),
    path(
        "<uuid:book_id>/accounts/<uuid:account_id>/limits",
        risk.account_limits,
        name="account_limits",
    ),
    path("<uuid:book_id>/accounts/<uuid:account_id>/lift", risk.lift_account, name="lift_account"),
]
