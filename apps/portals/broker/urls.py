"""URLs of the broker's pages."""

from django.urls import path

from apps.portals.broker.views import (
    audit,
    dashboard,
    documents,
    fee_preview,
    fees,
    keys,
    ledger,
    masters,
    new_master,
    people,
    plans,
    servers,
    widget,
)

app_name = "broker"
urlpatterns = [
    path("", dashboard.dashboard, name="dashboard"),
    path("masters/", masters.masters, name="masters"),
    path("masters/new/", new_master.new_master, name="new_master"),
    path("masters/<uuid:public_id>/", masters.master, name="master"),
    path("masters/<uuid:public_id>/link", masters.link, name="link"),
    path("masters/<uuid:public_id>/publish", masters.publish, name="publish"),
    path("masters/<uuid:public_id>/plans", plans.plans, name="plans"),
    path("fees/", fees.fees, name="fees"),
    path("fees/preview", fee_preview.preview, name="fee_preview"),
    path("fees/post", fee_preview.post, name="fee_post"),
    path("fees/<uuid:public_id>/", fees.run, name="fee_run"),
    path("fees/<uuid:public_id>/charges.csv", fees.run_csv, name="fee_run_csv"),
    path("documents/", documents.listing, name="documents"),
    path("documents/list.csv", documents.listing_csv, name="documents_csv"),
    path("documents/<uuid:public_id>.pdf", documents.pdf, name="document_pdf"),
    path("documents/<uuid:public_id>/mail", documents.mail_again, name="mail_again"),
    path("ledger/", ledger.ledger, name="ledger"),
    path("ledger/<str:currency>/balances.csv", ledger.balances_csv, name="balances_csv"),
    path("ledger/<str:currency>/<str:code>/", ledger.account, name="ledger_account"),
    path("ledger/<str:currency>/<str:code>/lines.csv", ledger.lines_csv, name="ledger_lines_csv"),
    path("people/", people.people, name="people"),
    path("people/<uuid:public_id>/invite", people.invite_again, name="invite_again"),
    path("people/<uuid:public_id>/active", people.activate, name="activate"),
    path("keys/", keys.keys, name="keys"),
    path("keys/<uuid:public_id>/revoke", keys.revoke, name="revoke_key"),
    path("servers/", servers.servers, name="servers"),
    path("servers/<uuid:public_id>/execution", servers.execution, name="execution"),
    path("widget/", widget.widget, name="widget"),
    path("audit/", audit.trail, name="audit"),
]
