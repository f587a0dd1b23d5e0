"""URLs of a broker's brand: its CSS overlay."""

from django.urls import URLPattern

app_name = "tenants"
urlpatterns: list[URLPattern] = []
