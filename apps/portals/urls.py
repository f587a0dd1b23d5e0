"""URLs of all portals at a broker's host."""

from django.urls import include, path

from apps.portals.home import home
from apps.portals.notices import notices
from apps.portals.papers import choose_language
from apps.portals.verify import verify

urlpatterns = [
    path("", home, name="home"),
    path("verify/<str:number>", verify, name="verify"),
    path("documents/language", choose_language, name="document_language"),
    path("notices/", notices, name="notices"),
    path("desk/", include("apps.portals.manager.urls")),
    path("portal/", include("apps.portals.investor.urls")),
    path("office/", include("apps.portals.broker.urls")),
]
