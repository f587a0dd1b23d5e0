"""URLs of embeds: readable from any origin the broker allows."""

from django.urls import path

from apps.widgets.views import leaderboard, loader

app_name = "widgets"
urlpatterns = [
    path("leaderboard.js", loader, name="loader"),
    path("leaderboard", leaderboard, name="leaderboard"),
]
