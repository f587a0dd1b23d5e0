"""Socket routes; the broker is resolved from the handshake's host."""

from django.urls import URLPattern

websocket_urlpatterns: list[URLPattern] = []
