"""Every limit of the sockets, in one place."""

from __future__ import annotations

MAX_MESSAGE_CHARS = 8_192
"""Of one message from a client; a longer one is refused unread (`message_too_long`)."""
MAX_WATCHED_ACCOUNTS = 250
"""Sub-accounts whose rows one desk socket receives: what a page shows, not the whole book."""
MAX_SOCKETS_PER_USER = 12
"""In one process; the next one is closed with 4429 `too_many_sockets`."""
MAX_MESSAGES_PER_WINDOW = 40
MESSAGE_WINDOW_S = 10.0
"""A client that sends more in a window is closed with 4429 `too_many_messages`."""

HEARTBEAT_S = 2.0
"""A quiet socket still gets an empty frame this often, so that silence means trouble."""
DESK_INTERVAL_S = 0.1
PORTFOLIO_INTERVAL_S = 0.2
"""The least time between two messages to one socket: what came in between is one message."""
SEND_TIMEOUT_S = 20.0
"""A peer that takes nothing for so long is dropped (4408 `too_slow`)."""
RECHECK_S = 30.0
"""How often an open socket proves again that its session, user and role still stand."""

PROJECTION_POLL_S = 0.1
"""How often the record is asked whether it has caught up with a frame's seq, while it has not."""
PROJECTION_POLL_MAX_S = 1.0
