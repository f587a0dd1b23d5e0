"""Who introduced whom: the tree by which introducing brokers share fees."""

from __future__ import annotations

from django.db import connection, transaction

from apps.accounts.audit import audit
from apps.accounts.models import User
from apps.billing.models import Introduction
from apps.billing.selectors.introductions import chains
from apps.core.errors import ConflictError, InputError


def introduce(
    actor: User | None, person: User, introducer: User, *, request_id: str = ""
) -> Introduction:
    """`introducer` brought `person` and takes part in fees charged from now on, once and for all.

    Raises InputError("introduction_circular"), ConflictError("introduced_already").
    """
    with transaction.atomic():
        # One at a time: two introductions that close a ring could each look fine alone.
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE billing_introduction IN SHARE ROW EXCLUSIVE MODE")
        above = chains([introducer.pk], levels=1_000).get(introducer.pk, ())
        if person.pk == introducer.pk or person.pk in above:
            raise InputError(
                "introduction_circular", "Nobody is introduced by who they introduced."
            )
        if Introduction.objects.filter(person=person).exists():
            raise ConflictError("introduced_already", f"{person} was introduced already.")
        made = Introduction.objects.create(person=person, introducer=introducer)
        audit(
            actor,
            "introduction.add",
            f"user:{person.public_id}",
            after={"introducer": str(introducer.public_id)},
            request_id=request_id,
        )
    return made
