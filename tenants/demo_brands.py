"""The brands of the two demo brokers: fields of tenants.models.Brand. Invented firms."""

from __future__ import annotations

DEMO_BRANDS: dict[str, dict[str, str | int]] = {
    "acme": {
        "display_name": "Acme Markets",
        "legal_name": "Acme Markets Ltd",
        "logo_light": "demo/acme/logo-light.svg",
        "logo_dark": "demo/acme/logo-dark.svg",
        "logo_square": "demo/acme/logo-square.svg",
        "favicon": "demo/acme/logo-square.svg",
        "color_primary_light": "#0b5c5a",
        "color_primary_dark": "#5fc6bd",
        "color_accent_light": "#8a4b08",
        "color_accent_dark": "#e8a95b",
        "radius_px": 0,
        "font": "system",
        "legal_footer": (
            "Acme Markets Ltd is a demonstration company. It holds no licence, "
            "offers no service and keeps no client money."
        ),
        "risk_warning": (
            "Contracts for difference are complex and carry a high risk of losing money quickly "
            "because of leverage. Consider whether you can afford that risk."
        ),
        "support_email": "support@acme.example",
        "sender_email": "no-reply@acme.example",
    },
    "globex": {
        "display_name": "Globex",
        "legal_name": "Globex Capital SA",
        "logo_light": "demo/globex/logo-light.svg",
        "logo_dark": "demo/globex/logo-dark.svg",
        "logo_square": "demo/globex/logo-square.svg",
        "favicon": "demo/globex/logo-square.svg",
        "color_primary_light": "#5b2a9d",
        "color_primary_dark": "#c3a3f5",
        "color_accent_light": "#8f5500",
        "color_accent_dark": "#f5b84a",
        "radius_px": 12,
        "font": "geometric",
        "legal_footer": (
            "Globex Capital SA is a fictitious firm shown for demonstration. "
            "Nothing on these pages is an offer or advice."
        ),
        "risk_warning": (
            "Leveraged trading can lose more quickly than it gains. Past results of a manager "
            "say nothing certain about future ones."
        ),
        "support_email": "help@globex.example",
        "sender_email": "desk@globex.example",
    },
}
