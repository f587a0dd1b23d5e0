"""URLs of the investor's pages."""

from django.urls import URLPattern

app_name = "investor"
urlpatterns: list[URLPattern] = []
