"""Trading servers a broker has connected, and the symbols they quote."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.accounts.seal import open_sealed, seal


class TradingServer(models.Model):
    """Where accounts live. `config` is plain (address, name there); the secret is sealed."""

    class Kind(models.TextChoices):
        SIMULATOR = "simulator", _("Built-in simulator")

    name = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    config = models.JSONField(default=dict)
    sealed_secret = models.BinaryField(default=bytes)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name

    def set_secret(self, secret: str) -> None:
        """Seal `secret`; the caller saves."""
        self.sealed_secret = seal(secret)

    def secret(self) -> str:
        """The opened secret. Raises CorruptionError when the key does not fit."""
        return open_sealed(bytes(self.sealed_secret))


class SymbolMap(models.Model):
    """How the symbols of a master's server are named on another one, for accounts there.

    `names` first: {"XAUUSD": "GOLD"}; for the others the suffixes are exchanged: with "" and
    ".pro", EURUSD is EURUSD.pro. Contract sizes, steps and digits are the servers' own.
    """

    source = models.ForeignKey(TradingServer, on_delete=models.CASCADE, related_name="maps_from")
    target = models.ForeignKey(TradingServer, on_delete=models.CASCADE, related_name="maps_to")
    names = models.JSONField(default=dict, blank=True)
    source_suffix = models.CharField(max_length=12, blank=True)
    target_suffix = models.CharField(max_length=12, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "target"], name="map_once")]

    def __str__(self) -> str:
        return f"{self.source} → {self.target}"


class Symbol(models.Model):
    """A symbol as its server specifies it; refreshed by the engine on connect."""

    server = models.ForeignKey(TradingServer, on_delete=models.CASCADE, related_name="symbols")
    name = models.CharField(max_length=32)
    description = models.CharField(max_length=120, blank=True)
    digits = models.PositiveSmallIntegerField()
    contract_size = models.DecimalField(max_digits=18, decimal_places=4)
    volume_step = models.DecimalField(max_digits=12, decimal_places=4)
    volume_min = models.DecimalField(max_digits=12, decimal_places=4)
    volume_max = models.DecimalField(max_digits=12, decimal_places=4)
    base_currency = models.CharField(max_length=8)
    profit_currency = models.CharField(max_length=8)
    margin_currency = models.CharField(max_length=8)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["server", "name"], name="symbol_once")]

    def __str__(self) -> str:
        return self.name
