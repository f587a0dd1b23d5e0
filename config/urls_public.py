"""URLs of the platform's own host."""

from django.conf import settings
from django.urls import include, path

from tenants.site.facts import Provider
from tenants.site.status import StatusView

# slug → EngineFacts, from the engine's room; None until there is one: the page says unknown.
status_of: Provider | None = None

urlpatterns = [
    path("brand/", include("tenants.urls")),
    path(
        "status",
        StatusView.as_view(provider=status_of, show_names=settings.DEBUG),
        name="status",
    ),
    path(
        "status.json",
        StatusView.as_view(provider=status_of, show_names=settings.DEBUG, as_json=True),
        name="status_json",
    ),
    path("", include("tenants.site.urls")),
]
