"""A broker's brand as typed tokens: what templates, the style sheet, e-mails and PDFs read.

`tokens_of(broker)` gives the published brand; `PLATFORM` is the product's own, for the public site.
Values are checked here and again when written into CSS: nothing unchecked reaches a style sheet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _

from tenants.models import HEX_COLOR, STATIC_PATH

# System stacks only: no download, no third party told who reads the page.
FONT_STACKS: dict[str, str] = {
    "system": (
        'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif'
    ),
    "humanist": 'Seravek, "Gill Sans Nova", Ubuntu, Calibri, "Noto Sans", sans-serif',
    "geometric": 'Avenir, Montserrat, Corbel, "URW Gothic", "Noto Sans", sans-serif',
    "serif": 'Charter, "Bitstream Charter", "Sitka Text", Cambria, "Noto Serif", serif',
}
MAX_RADIUS_PX = 16
_COLORS = (
    "color_primary_light",
    "color_primary_dark",
    "color_accent_light",
    "color_accent_dark",
)
_PATHS = ("logo_light", "logo_dark", "logo_square", "favicon")


def _accepts(validator: RegexValidator, value: str) -> bool:
    try:
        validator(value)
    except ValidationError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class BrandTokens:
    """One version of a brand. Colours '#rrggbb'; images are paths under static; radius in px."""

    display_name: str
    legal_name: str
    logo_light: str
    logo_dark: str
    logo_square: str
    favicon: str
    color_primary_light: str
    color_primary_dark: str
    color_accent_light: str
    color_accent_dark: str
    radius_px: int
    font: str
    legal_footer: str
    risk_warning: str
    support_email: str
    sender_email: str
    version: int

    def check(self) -> None:
        """Raise ValidationError with one coded message per wrong field."""
        wrong: dict[str, ValidationError] = {}
        for name in _COLORS:
            if not _accepts(HEX_COLOR, getattr(self, name)):
                wrong[name] = ValidationError(HEX_COLOR.message, "bad_color")
        for name in _PATHS:
            value = getattr(self, name)
            if value and not _accepts(STATIC_PATH, value):
                wrong[name] = ValidationError(STATIC_PATH.message, "bad_image_path")
        if not 0 <= self.radius_px <= MAX_RADIUS_PX:
            text = _("The corner radius is 0 to %(max)s px.") % {"max": MAX_RADIUS_PX}
            wrong["radius_px"] = ValidationError(text, "bad_radius")
        if self.font not in FONT_STACKS:
            wrong["font"] = ValidationError(_("Not one of the fonts on offer."), "bad_font")
        if wrong:
            raise ValidationError(wrong)

    @property
    def logo_light_url(self) -> str:
        """For light backgrounds; empty when the brand has no logo (its name is written)."""
        return static(self.logo_light) if self.logo_light else ""

    @property
    def logo_dark_url(self) -> str:
        """For dark backgrounds; the light one when there is no other."""
        path = self.logo_dark or self.logo_light
        return static(path) if path else ""

    @property
    def logo_square_url(self) -> str:
        """The mark alone."""
        return static(self.logo_square) if self.logo_square else ""

    @property
    def favicon_url(self) -> str:
        """The tab's icon; the square mark when there is no other."""
        path = self.favicon or self.logo_square
        return static(path) if path else ""


PLATFORM = BrandTokens(
    display_name="Prorata",
    legal_name="Prorata",
    logo_light="brand/prorata-light.svg",
    logo_dark="brand/prorata-dark.svg",
    logo_square="brand/prorata-square.svg",
    favicon="brand/prorata-square.svg",
    color_primary_light="#1f4e79",
    color_primary_dark="#8fbde8",
    color_accent_light="#8a5a00",
    color_accent_dark="#e2b65c",
    radius_px=4,
    font="system",
    legal_footer="",
    risk_warning="",
    support_email="",
    sender_email="",
    version=1,
)


def tokens_from(row: Any) -> BrandTokens:
    """Tokens of a Brand row (any object with the fields), checked."""
    fields = {name: getattr(row, name) for name in BrandTokens.__dataclass_fields__}
    tokens = BrandTokens(**fields)
    tokens.check()
    return tokens


def tokens_of(broker: Any) -> BrandTokens:
    """The published brand of a broker, or the platform's own when it has none yet."""
    row = getattr(broker, "brand", None)
    return tokens_from(row) if row is not None else PLATFORM
