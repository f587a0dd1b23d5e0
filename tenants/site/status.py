"""/status, /status.json and /healthz: the truth, also when it is that nothing is known."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from django.core.cache import cache
from django.db import connection
from django.db.utils import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views import View
from django.views.decorators.http import require_safe

from tenants.models import Broker
from tenants.site.facts import DOWN, OK, UNKNOWN, Check, Provider, judge, worst
from tenants.site.topics import TOPICS

log = logging.getLogger(__name__)
_NOT_SERVING = (Broker.Status.PLATFORM, Broker.Status.TEMPLATE, Broker.Status.SUSPENDED)


@dataclass(frozen=True, slots=True)
class Line:
    """One broker, or the platform itself."""

    name: str
    state: str
    checks: list[Check]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything the page says. `at_ms` UTC."""

    state: str
    at_ms: int
    lines: list[Line]


def broker_line(broker: Broker, provider: Provider | None, name: str) -> Line:
    """One broker's line; a provider that fails, or is not there, gives unknown."""
    facts = None
    if provider is not None:
        try:
            facts = provider(broker.slug)
        except Exception:  # whatever it is, the page says unknown and the log says why
            log.exception("status of %s could not be read", broker.slug)
    checks = judge(facts)
    return Line(name, worst([check.state for check in checks]), checks)


def platform_line() -> Line:
    """Database and Redis, each asked now."""
    checks = [_database(), _redis()]
    return Line(str(_("Platform")), worst([check.state for check in checks]), checks)


def _database() -> Check:
    label = str(_("Database"))
    started = time.monotonic()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return Check("database", label, DOWN, str(_("It does not answer.")))
    return Check("database", label, OK, str(_("It answers.")), _since_ms(started), "ms")


def _redis() -> Check:
    label = str(_("Message bus"))
    started = time.monotonic()
    try:
        cache.get("status")
    except Exception:  # the client's errors are many; each means that it does not answer
        return Check("redis", label, DOWN, str(_("It does not answer.")))
    return Check("redis", label, OK, str(_("It answers.")), _since_ms(started), "ms")


def _since_ms(started: float) -> int:
    return int((time.monotonic() - started) * 1000)


class StatusView(View):
    """GET: the page, or JSON. `show_names` is False where clients are not to be listed."""

    provider: ClassVar[Any] = None
    show_names = False
    as_json = False

    def get(self, request: HttpRequest) -> HttpResponse:
        report = self._report()
        if self.as_json:
            response: HttpResponse = JsonResponse(asdict(report))
        else:
            response = render(request, "site/status.html", {"report": report, "topics": TOPICS})
        response["Cache-Control"] = "no-store"
        return response

    def _report(self) -> Report:
        lines = [platform_line()]
        try:
            brokers = list(
                Broker.objects.exclude(status__in=_NOT_SERVING)
                .select_related("brand")
                .order_by("id")
            )
        except DatabaseError:
            return Report(DOWN, _now_ms(), lines)
        lines += [broker_line(each, self.provider, self._name(each)) for each in brokers]
        if not brokers:
            lines.append(Line(str(_("Brokers")), UNKNOWN, []))
        return Report(worst([line.state for line in lines]), _now_ms(), lines)

    def _name(self, broker: Broker) -> str:
        if self.show_names:
            return str(broker.brand.display_name)
        return str(_("Broker %(mark)s") % {"mark": broker.public_id.hex[:4]})


def _now_ms() -> int:
    return int(time.time() * 1000)


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 `ok` when this process reaches its database, else 503. For load balancers."""
    good = _database().state == OK
    return HttpResponse("ok\n" if good else "database\n", "text/plain", 200 if good else 503)
