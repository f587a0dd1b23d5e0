"""People of the broker: inviting, letting in, keeping out. Every change is audited with it."""

from __future__ import annotations

from collections.abc import Iterable

from allauth.account.adapter import get_adapter
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse

from apps.accounts.audit import audit
from apps.accounts.models import Role, User
from apps.core.errors import ConflictError, InputError


def invite(
    actor: User, email: str, full_name: str, roles: Iterable[str], *, request_id: str = ""
) -> User:
    """A person without a password yet; `send_invitation` mails the way to set one.

    Raises InputError("roles_invalid"), ConflictError("person_exists").
    """
    wanted = sorted(set(roles))
    if not wanted or not set(wanted) <= set(Role.values):
        raise InputError("roles_invalid", "A person has at least one of the roles.")
    with transaction.atomic():
        if User.objects.filter(email__iexact=email.strip()).exists():
            raise ConflictError("person_exists", f"{email} is one of your people already.")
        user = User.objects.create_user(email.strip(), roles=wanted, full_name=full_name.strip())
        audit(
            actor,
            "person.invite",
            f"person:{user.public_id}",
            after={"email": user.email, "roles": wanted},
            request_id=request_id,
        )
    return user


def send_invitation(request: HttpRequest, user: User) -> None:
    """Mail the set-password link. Outside transactions: it is a network call (OSError, SMTP)."""
    uid = user_pk_to_url_str(user)
    key = default_token_generator.make_token(user)
    path = reverse("account_reset_password_from_key", kwargs={"uidb36": uid, "key": key})
    get_adapter(request).send_mail(
        "office/email/invitation",
        user.email,
        {"person": user, "set_password_url": request.build_absolute_uri(path)},
    )


def set_active(actor: User, user: User, is_active: bool, *, request_id: str = "") -> User:
    """Let somebody in again, or keep them out: their sessions and API keys stop working at once.

    Raises ConflictError: own_account, last_admin.
    """
    with transaction.atomic():
        # Admins are locked in one order, so that two of them cannot put each other out at once.
        admins = list(
            User.objects.select_for_update()
            .filter(roles__contains=[Role.ADMIN], is_active=True)
            .order_by("pk")
        )
        locked = User.objects.select_for_update().get(pk=user.pk)
        if not is_active and locked.pk == actor.pk:
            raise ConflictError("own_account", "You cannot deactivate yourself.")
        if not is_active and admins == [locked]:
            raise ConflictError("last_admin", "Somebody must remain who may administer.")
        if locked.is_active != is_active:
            locked.is_active = is_active
            locked.save(update_fields=["is_active"])
            audit(
                actor,
                "person.activate" if is_active else "person.deactivate",
                f"person:{locked.public_id}",
                before={"is_active": not is_active},
                after={"is_active": is_active},
                request_id=request_id,
            )
    return locked
