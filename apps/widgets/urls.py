"""URLs of embeds: readable from any origin the broker allows."""

from django.urls import URLPattern

app_name = "widgets"
urlpatterns: list[URLPattern] = []
