"""URLs of the manager's pages."""

from django.urls import URLPattern

app_name = "manager"
urlpatterns: list[URLPattern] = []
