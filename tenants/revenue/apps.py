"""Revenue: a Django app of the public schema."""

from django.apps import AppConfig


class RevenueConfig(AppConfig):
    name = "tenants.revenue"
    label = "revenue"
    default_auto_field = "django.db.models.BigAutoField"
