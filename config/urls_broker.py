"""URLs of a broker's host."""

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import include, path

from tenants.site.design import design


def not_offered(request: HttpRequest) -> HttpResponse:
    """allauth would let people change the address their broker invited: it stays the broker's."""
    raise Http404


urlpatterns = [
    path("accounts/email/", not_offered),
    path("accounts/", include("allauth.account.urls")),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("api/v1/", include("apps.api.urls")),
    path("brand/", include("tenants.urls")),
    path("widgets/", include("apps.widgets.urls")),
    path("_design/", design, name="design"),
    path("", include("apps.portals.urls")),
]
