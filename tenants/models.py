"""Brokers, their domains and brands: the public schema."""

from __future__ import annotations

import re
import uuid

from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from django_tenants.models import DomainMixin, TenantMixin

SLUG = re.compile(r"[a-z][a-z0-9]{1,29}")
RESERVED_SLUGS = frozenset({"public", "template", "www", "api", "static", "admin", "localhost"})
HEX_COLOR = RegexValidator(r"^#[0-9a-f]{6}\Z", _("A colour is written #rrggbb, lower case."))
STATIC_PATH = RegexValidator(
    r"^[a-z0-9][a-z0-9_\-/]*\.(svg|png|ico)\Z", _("A path below static/, without dots.")
)


class Broker(TenantMixin):
    """The tenant. `schema_name` is its slug, its schema and its name on every channel and key."""

    class Status(models.TextChoices):
        SANDBOX = "sandbox", _("Sandbox")
        LIVE = "live", _("Live")
        READ_ONLY = "read_only", _("Read only")
        SUSPENDED = "suspended", _("Suspended")
        PLATFORM = "platform", _("The platform itself (public site)")
        TEMPLATE = "template", _("The schema new brokers are cloned from")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    legal_name = models.CharField(max_length=200)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.SANDBOX)
    base_currency = models.CharField(max_length=3, default="USD")
    time_zone = models.CharField(max_length=64, default="UTC")
    created_at = models.DateTimeField(auto_now_add=True)

    auto_create_schema = False  # tenants.services decides when and how
    auto_drop_schema = False
    clone_mode = "NODATA"

    def __str__(self) -> str:
        return self.schema_name

    @property
    def slug(self) -> str:
        return str(self.schema_name)

    @property
    def is_broker(self) -> bool:
        """False for the platform's own row and for the template."""
        return self.status not in (self.Status.PLATFORM, self.Status.TEMPLATE)


class Domain(DomainMixin):
    """A host name without port; the primary one is what e-mails and invoices link to."""

    def __str__(self) -> str:
        return str(self.domain)


class Brand(models.Model):
    """Typed tokens only: a broker never supplies CSS. `version` changes with every publish."""

    class Font(models.TextChoices):
        SYSTEM = "system", _("System sans")
        HUMANIST = "humanist", _("Humanist sans")
        GEOMETRIC = "geometric", _("Geometric sans")
        SERIF = "serif", _("Serif headings")

    broker = models.OneToOneField(Broker, on_delete=models.CASCADE, related_name="brand")
    version = models.PositiveIntegerField(default=1)
    display_name = models.CharField(max_length=60)
    logo_light = models.CharField(max_length=200, blank=True, validators=[STATIC_PATH])
    logo_dark = models.CharField(max_length=200, blank=True, validators=[STATIC_PATH])
    logo_square = models.CharField(max_length=200, blank=True, validators=[STATIC_PATH])
    favicon = models.CharField(max_length=200, blank=True, validators=[STATIC_PATH])
    color_primary_light = models.CharField(max_length=7, default="#1f4e79", validators=[HEX_COLOR])
    color_primary_dark = models.CharField(max_length=7, default="#7db4e6", validators=[HEX_COLOR])
    color_accent_light = models.CharField(max_length=7, default="#8a5a00", validators=[HEX_COLOR])
    color_accent_dark = models.CharField(max_length=7, default="#e0b060", validators=[HEX_COLOR])
    radius_px = models.PositiveSmallIntegerField(default=4, validators=[MaxValueValidator(16)])
    font = models.CharField(max_length=16, choices=Font.choices, default=Font.SYSTEM)
    legal_name = models.CharField(max_length=200)
    legal_footer = models.TextField(max_length=2000, blank=True)
    risk_warning = models.TextField(max_length=2000, blank=True)
    support_email = models.EmailField(blank=True)
    sender_email = models.EmailField()

    def __str__(self) -> str:
        return f"{self.display_name} v{self.version}"
