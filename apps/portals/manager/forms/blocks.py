"""What is done to one block, or to all: close, change, reverse, close by another, cancel."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.allocation.models import Block
from apps.core.book.commands import AmendBlock, CloseBlock, CloseBy, ReverseBlock
from apps.portals.manager.book import Desk
from apps.portals.manager.forms.fields import CodedForm, lots_field, price_field


class CloseForm(CodedForm):
    """Close a block: lots, all that is open by default."""

    volume_lots = lots_field(_("Volume to close"), autofocus="autofocus")

    def command(self, desk: Desk, block_id: UUID, open_lots: Decimal) -> CloseBlock:
        """Closing all that the form showed as open is said as such, not as a number of lots."""
        lots: Decimal = self.cleaned_data["volume_lots"]
        return CloseBlock(
            command_id=self.cleaned_data["command_id"],
            block_id=block_id,
            volume_lots=None if lots == open_lots else lots,
            placed_by=str(desk.user.public_id),
        )


class AmendForm(CodedForm):
    """Change a block. An empty stop loss, take profit or trailing distance is none; prices and
    volume of a pending block alone."""

    price = price_field(_("Price"))
    limit_price = price_field(_("Limit once the stop is reached"))
    volume_lots = lots_field(_("Volume"), required=False)
    stop_loss = price_field(_("Stop loss"))
    take_profit = price_field(_("Take profit"))
    trailing_distance = price_field(_("Trailing distance"))

    def command(self, desk: Desk, block_id: UUID) -> AmendBlock:
        data = self.cleaned_data
        return AmendBlock(
            command_id=data["command_id"],
            block_id=block_id,
            price=data["price"],
            limit_price=data["limit_price"],
            volume_lots=data["volume_lots"],
            stop_loss=data["stop_loss"] or Decimal(0),
            take_profit=data["take_profit"] or Decimal(0),
            trailing_distance=data["trailing_distance"] or Decimal(0),
            placed_by=str(desk.user.public_id),
        )


class ReverseForm(CodedForm):
    """Close a block and open the opposite: lots, or as much as is closed."""

    volume_lots = lots_field(_("Volume of the opposite"), required=False, autofocus="autofocus")
    stop_loss = price_field(_("Stop loss"))
    take_profit = price_field(_("Take profit"))
    trailing_distance = price_field(_("Trailing distance"))

    def command(self, desk: Desk, block_id: UUID) -> ReverseBlock:
        data = self.cleaned_data
        return ReverseBlock(
            command_id=data["command_id"],
            block_id=block_id,
            volume_lots=data["volume_lots"],
            stop_loss=data["stop_loss"] or None,
            take_profit=data["take_profit"] or None,
            trailing_distance=data["trailing_distance"] or None,
            placed_by=str(desk.user.public_id),
        )


class CloseByForm(CodedForm):
    """Close a block against an opposite one of its symbol."""

    other = forms.ChoiceField(label=_("Opposite block"), widget=forms.RadioSelect)

    def __init__(self, *args: Any, opposite: Iterable[Block], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.blocks = {str(block.id): block for block in opposite}
        field = cast(forms.ChoiceField, self.fields["other"])
        field.choices = [(key, key) for key in self.blocks]

    def command(self, desk: Desk, block_id: UUID) -> CloseBy:
        return CloseBy(
            command_id=self.cleaned_data["command_id"],
            block_id=block_id,
            other_block_id=UUID(self.cleaned_data["other"]),
            placed_by=str(desk.user.public_id),
        )


class CancelForm(CodedForm):
    """Nothing but the command's id: cancel an order, lift a stop, send failed legs again."""


class EverythingForm(CodedForm):
    """All blocks or orders, or those of one symbol."""

    symbol = forms.ChoiceField(label=_("Symbol"), required=False)

    def __init__(self, *args: Any, symbols: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast(forms.ChoiceField, self.fields["symbol"])
        field.choices = [("", _("All symbols")), *((name, name) for name in symbols)]
