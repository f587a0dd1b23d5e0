"""URLs of the platform's own host."""

from django.conf import settings
from django.urls import include, path

from apps.engine.status import engine_status
from tenants.revenue.views import stripe_webhook
from tenants.site.facts import EngineFacts
from tenants.site.status import StatusView


def status_of(broker: str) -> EngineFacts:
    """What the engine's room measures, in the words of the page, which may not import the room."""
    told = engine_status(broker)
    return EngineFacts(
        books_total=told.books,
        books_led=told.books_served,
        heartbeat_age_ms=told.lease_age_ms,
        journal_lag=told.journal_lag,
        lag_age_ms=told.lag_age_ms,
        quote_age_ms=told.quote_age_ms,
    )


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
    path("billing/stripe", stripe_webhook, name="stripe_webhook"),
    path("staff/", include("tenants.revenue.urls")),
    path("", include("tenants.site.urls")),
]
