"""URLs of the broker's pages."""

from django.urls import URLPattern

app_name = "broker"
urlpatterns: list[URLPattern] = []
