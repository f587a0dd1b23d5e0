"""JSON bodies, strictly: at most 1 MiB, no NaN, no duplicate keys, numbers never as floats."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser


class StrictJSONParser(BaseParser):
    """Reads through HttpRequest.body, which refuses more than DATA_UPLOAD_MAX_MEMORY_SIZE;
    DRF's own parser reads the stream and has no limit."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        assert parser_context is not None
        raw = parser_context["request"]._request.body
        try:
            return json.loads(
                raw.decode("utf-8"),
                parse_float=Decimal,
                parse_constant=_refuse,
                object_pairs_hook=_object,
            )
        except (ValueError, RecursionError) as error:
            raise ParseError(str(error)[:200]) from error


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("an object has a key twice")
    return made
