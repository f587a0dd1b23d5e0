"""URLs of the investor's pages."""

from django.urls import path

from apps.portals.investor.views import detach, fees, history, overview, protection

app_name = "investor"
urlpatterns = [
    path("", overview.overview, name="overview"),
    path("tickets", overview.tickets, name="tickets"),
    path("accounts/<uuid:account_id>/curve", overview.curve, name="curve"),
    path("history/", history.history, name="history"),
    path("history.csv", history.export, name="history_csv"),
    path("links/<uuid:link_id>/detach/", detach.detach, name="detach"),
    path("links/<uuid:link_id>/protection/", protection.protection, name="protection"),
    path("links/<uuid:link_id>/tickets/", detach.take_out, name="take_out"),
    path("fees/", fees.fees, name="fees"),
    path("documents/<uuid:document_id>.pdf", fees.document_pdf, name="document_pdf"),
]
