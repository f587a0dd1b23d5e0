"""A broker's icon while it has given none: its first letter on its primary colour."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.views.decorators.http import require_safe

from tenants.brand import BrandTokens
from tenants.brand_contrast import ink_on
from tenants.brand_css import BRIEFLY, FOREVER
from tenants.context import tokens_for


def icon_of(tokens: BrandTokens) -> str:
    """An SVG of 32 × 32 units. Raises ValidationError for tokens that do not check."""
    tokens.check()
    return str(
        format_html(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
            '<rect width="32" height="32" rx="{}" fill="{}"/>'
            '<text x="16" y="22" text-anchor="middle" font-family="sans-serif" font-size="18"'
            ' font-weight="700" fill="{}">{}</text></svg>',
            min(tokens.radius_px, 16),
            tokens.color_primary_light,
            ink_on(tokens.color_primary_light),
            tokens.display_name.strip()[:1].upper() or "•",
        )
    )


@require_safe
def brand_icon(request: HttpRequest, version: int) -> HttpResponse:
    """GET /brand/<version>.svg, kept for ever when the version is the published one."""
    tokens = tokens_for(request)
    response = HttpResponse(icon_of(tokens), content_type="image/svg+xml")
    response["Cache-Control"] = FOREVER if version == tokens.version else BRIEFLY
    return response
