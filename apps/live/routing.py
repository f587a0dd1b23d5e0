"""Socket routes; the broker is resolved from the handshake's host (apps.live.door)."""

from django.urls import path, re_path

from apps.live.desk import DeskSocket
from apps.live.portfolio import PortfolioSocket
from apps.live.socket import NowhereSocket

websocket_urlpatterns = [
    path("ws/desk/<uuid:book_id>", DeskSocket.as_asgi()),
    path("ws/portfolio", PortfolioSocket.as_asgi()),
    re_path(r"", NowhereSocket.as_asgi()),
]
