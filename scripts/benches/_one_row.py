"""What the place of a block is compared with: an API call that commits one row, and its server."""

from __future__ import annotations

from django.core.wsgi import get_wsgi_application
from django.db import transaction
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

application = get_wsgi_application()

from apps.accounts.audit import audit  # noqa: E402 - Django is set up by the line above
from apps.api.base import ApiView, user_from  # noqa: E402
from config import urls_broker  # noqa: E402


class OneRowView(ApiView):
    """Key, scope, rate and parsing of the API; then one row in one transaction."""

    scope = "trade"

    def post(self, request: Request) -> Response:
        with transaction.atomic():
            entry = audit(user_from(request), "bench.one_row", "bench", after=dict(request.data))
        return Response({"id": entry.pk}, status=201)


urls_broker.urlpatterns.insert(0, path("bench/one-row", OneRowView.as_view()))
