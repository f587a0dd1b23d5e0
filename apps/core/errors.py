"""The error tree, on one page.

Every error a user may see has a stable `code` (snake_case), a message that says what and where,
and `details` (JSON-ready) that name the offending value. The HTTP status is the transport's view.
"""

from __future__ import annotations

from typing import Any


class ProrataError(Exception):
    """The root. `code` is stable and documented; `message` is for people."""

    status = 500

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready: `{"code", "message", "details"}`."""
        return {"code": self.code, "message": self.message, "details": self.details}


class InputError(ProrataError):
    """The caller sent something malformed: nothing was changed."""

    status = 400


class ForbiddenError(ProrataError):
    """Known caller, not allowed."""

    status = 403


class NotFoundError(ProrataError):
    """No such thing for this caller (another broker's things do not exist)."""

    status = 404


class ConflictError(ProrataError):
    """The thing is in a state that does not admit this, or the key was used for another request."""

    status = 409


class RejectedError(ProrataError):
    """Well-formed, but a rule of the book, the market or the risk refuses it."""

    status = 422


class UnavailableError(ProrataError):
    """A needed part is not there now; nothing was sent; the same request may be tried again."""

    status = 503


class UnknownOutcomeError(ProrataError):
    """No answer in time: neither success nor failure. Ask again with the same command id."""

    status = 504


class StateError(ProrataError):
    """A state machine met an event it has no row for: a bug or a foreign input, never ignored."""

    status = 500


class CorruptionError(ProrataError):
    """A journal, digest or projection does not agree with what it must equal."""

    status = 500
