"""The leaderboard as last computed, and who may embed it."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Master
from apps.leaderboards.origins import check_origin


class LeaderboardRow(models.Model):
    """A public master's performance from one source, as of `as_of`. Ratios are fractions.

    Floats are allowed here: these are analytics, nothing is posted from them. NULL: not defined
    for this history (no losing trade, no equity yet), shown as a dash.
    """

    class Source(models.TextChoices):
        LIVE = "live", _("Live, verified")
        IMPORTED = "imported", _("Imported statement")

    master = models.ForeignKey(Master, on_delete=models.CASCADE, related_name="leaderboard_rows")
    source = models.CharField(max_length=8, choices=Source.choices)
    rank = models.PositiveIntegerField()
    gain = models.FloatField()
    max_drawdown = models.FloatField()  # ≤ 0, on the TWR index
    profit_factor = models.FloatField(null=True)
    win_rate = models.FloatField(null=True)
    trades = models.PositiveIntegerField()
    since = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)
    aum_minor = models.BigIntegerField(null=True)  # of `aum_currency`; None: private or unknown
    aum_currency = models.CharField(max_length=8, blank=True)
    subscribers = models.PositiveIntegerField(default=0)
    sparkline = models.JSONField(default=list)  # ≤ 48 index values, the first is 1
    as_of = models.DateTimeField()

    class Meta:
        ordering = ["rank"]
        constraints = [
            models.UniqueConstraint(fields=["master", "source"], name="leaderboard_row_once")
        ]

    def __str__(self) -> str:
        return f"{self.rank}. {self.master} ({self.source})"


class WidgetSettings(models.Model):
    """How this broker's leaderboard may be embedded: one row.

    `allowed_origins` lists the sites that may embed it, one `https://host[:port]` a line, or `*`
    for every site; empty means nowhere but the broker's own hosts: a broker knows its own sites, an
    embed on another's page can mislead.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    enabled = models.BooleanField(_("Leaderboard is public"), default=True)
    allowed_origins = models.TextField(_("Sites that may embed it"), max_length=4000, blank=True)
    row_limit = models.PositiveSmallIntegerField(
        _("Most rows"), default=10, validators=[MinValueValidator(1), MaxValueValidator(50)]
    )
    show_aum = models.BooleanField(_("Show assets and subscribers"), default=True)
    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="widget_settings_one_row")
        ]

    def __str__(self) -> str:
        return f"widget settings v{self.version}"

    @property
    def origins(self) -> list[str]:
        return self.allowed_origins.split()

    def clean(self) -> None:
        """Every origin is well-formed; stored lower case, sorted, once."""
        checked = []
        for origin in self.origins:
            try:
                checked.append(check_origin(origin))
            except ValueError as error:
                raise ValidationError({"allowed_origins": str(error)}) from error
        self.allowed_origins = "\n".join(sorted(set(checked)))
