"""Leaderboards' tables, in each broker's schema."""

from apps.leaderboards.models.board import LeaderboardRow, WidgetSettings
from apps.leaderboards.models.record import TrackedFlow, TrackedTrade, TrackRecord

__all__ = ["LeaderboardRow", "TrackRecord", "TrackedFlow", "TrackedTrade", "WidgetSettings"]
