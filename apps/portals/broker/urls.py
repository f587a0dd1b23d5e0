"""URLs of the broker's pages."""

from django.urls import path

from apps.portals.broker.views import audit, dashboard, keys, masters, new_master, people, widget

app_name = "broker"
urlpatterns = [
    path("", dashboard.dashboard, name="dashboard"),
    path("masters/", masters.masters, name="masters"),
    path("masters/new/", new_master.new_master, name="new_master"),
    path("masters/<uuid:public_id>/", masters.master, name="master"),
    path("masters/<uuid:public_id>/link", masters.link, name="link"),
    path("masters/<uuid:public_id>/publish", masters.publish, name="publish"),
    path("people/", people.people, name="people"),
    path("people/<uuid:public_id>/invite", people.invite_again, name="invite_again"),
    path("people/<uuid:public_id>/active", people.activate, name="activate"),
    path("keys/", keys.keys, name="keys"),
    path("keys/<uuid:public_id>/revoke", keys.revoke, name="revoke_key"),
    path("widget/", widget.widget, name="widget"),
    path("audit/", audit.trail, name="audit"),
]
