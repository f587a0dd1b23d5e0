"""URLs of a broker's host."""

from django.urls import include, path

urlpatterns = [
    path("accounts/", include("allauth.account.urls")),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("api/v1/", include("apps.api.urls")),
    path("brand/", include("tenants.urls")),
    path("widgets/", include("apps.widgets.urls")),
    path("", include("apps.portals.urls")),
]
