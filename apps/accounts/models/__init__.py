"""Accounts' tables, in each broker's schema."""

from apps.accounts.models.api_keys import ApiKey
from apps.accounts.models.audit import AuditEntry
from apps.accounts.models.notices import Notice
from apps.accounts.models.people import Role, User
from apps.accounts.models.servers import Symbol, SymbolMap, TradingServer
from apps.accounts.models.trading import Link, Master, TradingAccount

__all__ = [
    "ApiKey",
    "AuditEntry",
    "Link",
    "Master",
    "Notice",
    "Role",
    "Symbol",
    "SymbolMap",
    "TradingAccount",
    "TradingServer",
    "User",
]
