"""People: users of one broker, with roles. Nobody belongs to two brokers."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    ADMIN = "admin", _("Broker admin")
    MANAGER = "manager", _("Manager")
    INVESTOR = "investor", _("Investor")
    FINANCE = "finance", _("Finance")


class UserManager(BaseUserManager["User"]):
    def create_user(
        self, email: str, password: str | None = None, *, roles: list[str], **fields: Any
    ) -> User:
        """A user with the given roles; without a password until one is set by reset."""
        user = self.model(email=self.normalize_email(email).lower(), roles=roles, **fields)
        user.set_password(password)
        user.full_clean(exclude=["password"])
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class User(AbstractBaseUser):
    """Logs in by e-mail at the broker's own host. `roles` say what they may do."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email = models.EmailField(_("e-mail"), unique=True)
    full_name = models.CharField(_("name"), max_length=120, blank=True)
    roles = ArrayField(models.CharField(max_length=16, choices=Role.choices), default=list)
    language = models.CharField(max_length=12, default="en")
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = UserManager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")), name="user_email_lower_case"
            )
        ]

    def __str__(self) -> str:
        return self.full_name or self.email

    def has_role(self, *roles: str) -> bool:
        """True when the user is active and holds one of `roles`."""
        return self.is_active and any(role in self.roles for role in roles)
