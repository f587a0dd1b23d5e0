"""Web origins, as a broker writes them and as headers carry them."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9\-]*[a-z0-9])?(?:\.[a-z0-9\-]+)*)"
    r"(?P<port>:[1-9]\d{0,4})?"
)


def check_origin(text: str) -> str:
    """The origin in lower case without a trailing slash; `*` stands for every site.

    Raises ValueError when it is not scheme://host[:port]. Only what this admits ever reaches a
    header, so that no text of a broker can end a directive. Plain http is for development hosts.
    """
    origin = text.strip().lower().rstrip("/")
    if origin == "*":
        return origin
    found = _ORIGIN.fullmatch(origin)
    if not found:
        raise ValueError(
            _("%(origin)s is not a site like https://www.example.com.") % {"origin": text}
        )
    local = found["host"] == "localhost" or found["host"].endswith((".localhost", ".test"))
    if found["scheme"] == "http" and not local and found["host"] != "127.0.0.1":
        raise ValueError(_("%(origin)s: a site must be https.") % {"origin": text})
    return origin
