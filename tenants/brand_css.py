"""A broker's style sheet: the --brand-* variables and nothing else, one URL per version."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from tenants.brand import FONT_STACKS, BrandTokens
from tenants.brand_contrast import ink_on
from tenants.context import tokens_for

FOREVER = "public, max-age=31536000, immutable"
BRIEFLY = "public, max-age=60"


def css_of(tokens: BrandTokens) -> str:
    """The variables, of tokens checked here: raises ValidationError, writes nothing unchecked."""
    tokens.check()
    primary = (tokens.color_primary_light, tokens.color_primary_dark)
    accent = (tokens.color_accent_light, tokens.color_accent_dark)
    ink = (ink_on(primary[0]), ink_on(primary[1]))
    lines = [
        f"--brand-primary: light-dark({primary[0]}, {primary[1]});",
        f"--brand-on-primary: light-dark({ink[0]}, {ink[1]});",
        f"--brand-accent: light-dark({accent[0]}, {accent[1]});",
        f"--brand-radius: {tokens.radius_px}px;",
        f"--brand-font: {FONT_STACKS[tokens.font]};",
    ]
    return ":root {\n  " + "\n  ".join(lines) + "\n}\n"


@require_safe
def brand_css(request: HttpRequest, version: int) -> HttpResponse:
    """GET /brand/<version>.css. A version that is not the published one is not kept for long."""
    tokens = tokens_for(request)
    response = HttpResponse(css_of(tokens), content_type="text/css; charset=utf-8")
    response["Cache-Control"] = FOREVER if version == tokens.version else BRIEFLY
    return response
