"""Widgets: the Django app."""

from django.apps import AppConfig


class WidgetsConfig(AppConfig):
    name = "apps.widgets"
    label = "widgets"
