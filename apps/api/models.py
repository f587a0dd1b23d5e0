"""What the API remembers of commands: so that a repeat gets the first answer."""

from __future__ import annotations

from django.db import models

from apps.accounts.models import ApiKey


class ApiRequest(models.Model):
    """One command of one key under one Idempotency-Key. `status` is null until it is answered."""

    key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="+")
    idempotency_key = models.CharField(max_length=128)
    body_sha256 = models.CharField(max_length=64)  # of the path and the canonical body
    command_id = models.UUIDField(unique=True)
    book_id = models.UUIDField()
    status = models.PositiveSmallIntegerField(null=True)
    answer = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "idempotency_key"], name="api_request_once")
        ]

    def __str__(self) -> str:
        return f"{self.command_id} {self.status or 'unanswered'}"
