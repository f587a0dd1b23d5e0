"""The public pages: what the product is, and the way to one's broker."""

from __future__ import annotations

from fractions import Fraction

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from tenants.figures import Marks, active_marks, scaled_text
from tenants.models import Broker, Domain
from tenants.site.topics import TOPICS


def example(marks: Marks) -> dict[str, object]:
    """10.00 lots over four equities by largest remainder, worked out here, not typed in."""
    equities = (61_240, 25_318, 9_807, 3_300)  # USD
    steps, total = 1_000, sum(equities)
    quotas = [Fraction(steps * equity, total) for equity in equities]
    given = [int(quota) for quota in quotas]
    by_remainder = sorted(range(len(quotas)), key=lambda i: (given[i] - quotas[i], i))
    extra = set(by_remainder[: steps - sum(given)])
    rows = [
        {
            "account": 100_231 + i,
            "equity": scaled_text(equity * 100, 2, marks),
            "exact": scaled_text(round(quotas[i] * 100), 4, marks),
            "given": scaled_text(given[i] + (i in extra), 2, marks),
            "extra": i in extra,
        }
        for i, equity in enumerate(equities)
    ]
    return {
        "rows": rows,
        "equity": scaled_text(total * 100, 2, marks),
        "volume": scaled_text(steps, 2, marks),
    }


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """GET /"""
    return render(request, "site/home.html", {"topics": TOPICS, "example": example(active_marks())})


@require_safe
def product(request: HttpRequest, slug: str) -> HttpResponse:
    """GET /product/<slug>"""
    topic = next((each for each in TOPICS if each.slug == slug), None)
    if topic is None:
        raise Http404
    context = {"topics": TOPICS, "topic": topic}
    return render(request, f"site/product/{topic.slug}.html", context)


@require_safe
def demo(request: HttpRequest) -> HttpResponse:
    """GET /demo"""
    return render(request, "site/demo.html", {"topics": TOPICS})


@require_safe
def find_broker(request: HttpRequest) -> HttpResponse:
    """GET /login?domain=…: the link to a broker's own log-in. Nobody logs in on this host."""
    asked = request.GET.get("domain", "").strip().lower().removeprefix("https://")
    host = asked.removeprefix("http://").partition("/")[0].partition(":")[0]
    found = None
    if host:
        found = (
            Domain.objects.select_related("tenant", "tenant__brand")
            .exclude(tenant__status__in=(Broker.Status.PLATFORM, Broker.Status.TEMPLATE))
            .filter(domain=host)
            .first()
        )
    port = request.get_host().partition(":")[2]
    url = f"{request.scheme}://{host}{':' + port if port else ''}/accounts/login/" if found else ""
    context = {"topics": TOPICS, "asked": asked, "found": found, "url": url}
    return render(request, "site/login.html", context, status=404 if host and not found else 200)
