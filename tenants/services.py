"""Making the platform's database and its brokers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.management import call_command
from django.core.validators import validate_email
from django.db import connection, transaction
from django_tenants.utils import schema_exists

from tenants.door import TEMPLATE, all_brokers, broker_schema, check_slug, public_schema
from tenants.errors import TenantError
from tenants.models import Brand, Broker, Domain
from tenants.revenue.contracts import start_trial
from tenants.storage import leave_room_for_updates


@dataclass(frozen=True)
class NewBroker:
    slug: str
    legal_name: str
    domain: str
    admin_email: str
    admin_password: str | None = None  # None: the admin sets it through "forgot password"
    base_currency: str = "USD"
    brand: Mapping[str, str | int] | None = None  # fields of tenants.models.Brand


def prepare_database(public_host: str) -> list[str]:
    """Bring the public schema, the template schema and all brokers to the current migrations.

    Idempotent. Returns what was done, a line each.
    """
    done = []
    call_command("migrate_schemas", shared=True, interactive=False, verbosity=0)
    done.append("public schema migrated")
    with public_schema():
        platform, _ = Broker.objects.get_or_create(
            schema_name="public",
            defaults={"legal_name": "Prorata", "status": Broker.Status.PLATFORM},
        )
        Domain.objects.update_or_create(
            tenant=platform, is_primary=True, defaults={"domain": public_host}
        )
        Broker.objects.get_or_create(
            schema_name=TEMPLATE,
            defaults={"legal_name": "Template", "status": Broker.Status.TEMPLATE},
        )
        if not schema_exists(TEMPLATE):
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE SCHEMA {TEMPLATE}")
            done.append("template schema created")
    call_command("migrate_schemas", tenant=True, interactive=False, verbosity=0)
    for slug in all_brokers():
        leave_room_for_updates(slug)
    done.append("template and brokers migrated")
    return done


def create_broker(new: NewBroker) -> Broker:
    """Clone the template schema, add domain, brand and the first admin.

    All or nothing: one transaction. Raises TenantError with codes slug_invalid, slug_taken,
    domain_taken, email_invalid, template_missing, brand_invalid.
    """
    check_slug(new.slug)
    _check_email(new.admin_email)
    domain = new.domain.strip().lower().rstrip(".")
    with public_schema():
        if not schema_exists(TEMPLATE):
            raise TenantError("template_missing", "Run `manage.py prepare_database` first.")
        if Broker.objects.filter(schema_name=new.slug).exists() or schema_exists(new.slug):
            raise TenantError("slug_taken", f"There is a broker {new.slug!r} already.")
        if Domain.objects.filter(domain=domain).exists():
            raise TenantError("domain_taken", f"{domain} belongs to a broker already.")
        with transaction.atomic():
            broker = Broker.objects.create(
                schema_name=new.slug, legal_name=new.legal_name, base_currency=new.base_currency
            )
            Domain.objects.create(tenant=broker, domain=domain, is_primary=True)
            _create_brand(broker, new, domain)
            broker.create_schema(check_if_exists=True, verbosity=0)
            leave_room_for_updates(new.slug)
            _create_admin(new)
            if settings.TRIAL_DAYS:
                start_trial(broker, settings.TRIAL_DAYS, "platform")
    return broker


def _create_brand(broker: Broker, new: NewBroker, domain: str) -> None:
    values: dict[str, str | int] = {
        "display_name": new.legal_name[:60],
        "legal_name": new.legal_name,
        "sender_email": f"no-reply@{domain}" if "." in domain else new.admin_email,
        "support_email": new.admin_email,
        **(new.brand or {}),
    }
    brand = Brand(broker=broker, **values)
    try:
        brand.full_clean()
    except Exception as error:
        raise TenantError("brand_invalid", f"brand: {error}") from error
    brand.save()


def _create_admin(new: NewBroker) -> AbstractBaseUser:
    with broker_schema(new.slug):
        return get_user_model().objects.create_user(
            email=new.admin_email, password=new.admin_password, roles=["admin"]
        )


def _check_email(email: str) -> None:
    try:
        validate_email(email)
    except Exception as error:
        raise TenantError("email_invalid", f"{email!r} is not an e-mail address.") from error
