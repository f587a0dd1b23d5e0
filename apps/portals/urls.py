"""URLs of all portals at a broker's host."""

from django.urls import include, path

from apps.portals.home import home

urlpatterns = [
    path("", home, name="home"),
    path("desk/", include("apps.portals.manager.urls")),
    path("portal/", include("apps.portals.investor.urls")),
    path("office/", include("apps.portals.broker.urls")),
]
