"""What may go wrong with a tenant. Not the rooms' tree: tenants imports no room."""

from __future__ import annotations


class TenantError(Exception):
    """`code` is stable; the message says what and where."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
