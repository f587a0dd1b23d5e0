"""Decimal strings in requests."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

_DECIMAL = re.compile(r"-?\d{1,12}(\.\d{1,8})?")


@extend_schema_field({"type": "string", "pattern": r"^\d{1,12}(\.\d{1,8})?$", "example": "1.50"})
class PositiveDecimal(serializers.Field[Decimal, str, str, Any]):
    """A positive decimal as a JSON string; codes NAME_not_string, NAME_invalid, NAME_not_positive.

    JSON numbers are refused: on their way through other software they become binary floats.
    """

    zero_allowed = False

    def to_internal_value(self, data: Any) -> Decimal:
        name = self.field_name or "value"
        if not isinstance(data, str):
            raise serializers.ValidationError(
                'Send a decimal as a string, such as "1.50".', code=f"{name}_not_string"
            )
        if not _DECIMAL.fullmatch(data) or not data.isascii():
            raise serializers.ValidationError(
                f"{data[:40]!r} is not a decimal.", code=f"{name}_invalid"
            )
        value = Decimal(data)
        if value < 0 or (value == 0 and not self.zero_allowed):
            raise serializers.ValidationError(
                f"It must be above zero, not {data}.", code=f"{name}_not_positive"
            )
        return value

    def to_representation(self, value: Decimal) -> str:
        return str(value)


class LotsField(PositiveDecimal):
    """The same, and zero: none of it."""

    zero_allowed = True
