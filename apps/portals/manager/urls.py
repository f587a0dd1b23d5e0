"""URLs of the manager's pages."""

from django.urls import path

from apps.portals.manager.views import controls, documents, orders, tables, terminal

app_name = "manager"
urlpatterns = [
    path("", terminal.home, name="home"),
    path("documents/", documents.listing, name="documents"),
    path("documents/<uuid:public_id>.pdf", documents.pdf, name="document_pdf"),
    path("<uuid:book_id>/", terminal.terminal, name="terminal"),
    path("<uuid:book_id>/bars", terminal.bars, name="bars"),
    path("<uuid:book_id>/preview", orders.preview, name="preview"),
    path("<uuid:book_id>/orders", orders.place, name="place"),
    path("<uuid:book_id>/blocks", tables.blocks, name="blocks"),
    path("<uuid:book_id>/blocks/<uuid:block_id>/tickets", tables.tickets, name="tickets"),
    path("<uuid:book_id>/blocks/<uuid:block_id>/close", orders.close, name="close"),
    path("<uuid:book_id>/blocks/<uuid:block_id>/cancel", orders.cancel, name="cancel"),
    path("<uuid:book_id>/blocks/<uuid:block_id>/amend", controls.amend, name="amend"),
    path("<uuid:book_id>/close-all", controls.close_all, name="close_all"),
    path("<uuid:book_id>/cancel-all", controls.cancel_all, name="cancel_all"),
    path("<uuid:book_id>/accounts", tables.accounts, name="accounts"),
]
