"""URLs of the platform's own host."""

from django.urls import include, path

urlpatterns = [path("", include("tenants.site.urls"))]
