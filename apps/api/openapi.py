"""The API's own description: OpenAPI as JSON, and a page to read, rendered here."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

from apps.api.base import ApiView

PREFIX = "/api/v1/"


class _Generator(SchemaGenerator):
    """Only this API's views, whatever else a host serves."""

    def _get_paths_and_endpoints(self) -> Any:
        found = super()._get_paths_and_endpoints()  # type: ignore[no-untyped-call]
        return [entry for entry in found if isinstance(entry[3], ApiView)]


@lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    """OpenAPI 3.0 of `/api/v1/`: the same for every broker, since it has no server address."""
    generator: Any = _Generator(urlconf="config.urls_broker")  # type: ignore[no-untyped-call]
    made: dict[str, Any] = generator.get_schema(request=None, public=True)
    return made


@require_safe
@cache_control(public=True, max_age=300)
def schema_view(request: HttpRequest) -> HttpResponse:
    """GET /api/v1/schema."""
    return JsonResponse(schema())


@require_safe
def docs_view(request: HttpRequest) -> HttpResponse:
    """GET /api/v1/docs: every operation on one page, no script."""
    described = schema()
    operations = [
        {
            "method": method.upper(),
            "path": path,
            "summary": operation.get("description", ""),
            "parameters": operation.get("parameters", []),
            "fields": _fields(described, operation.get("requestBody")),
            "answers": sorted(operation.get("responses", {})),
        }
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    return render(request, "api/docs.html", {"operations": operations, "prefix": PREFIX})


def _fields(described: dict[str, Any], body: dict[str, Any] | None) -> list[dict[str, Any]]:
    if not body:
        return []
    reference = body["content"]["application/json"]["schema"].get("$ref", "")
    component = described["components"]["schemas"].get(reference.rsplit("/", 1)[-1], {})
    required = component.get("required", [])
    return [
        {"name": name, "type": _type(described, field), "required": name in required}
        for name, field in component.get("properties", {}).items()
    ]


def _type(described: dict[str, Any], field: dict[str, Any]) -> str:
    for part in [field, *field.get("allOf", []), *field.get("oneOf", [])]:
        if "$ref" in part:
            target = described["components"]["schemas"][part["$ref"].rsplit("/", 1)[-1]]
            return " | ".join(target.get("enum", [target.get("type", "object")]))
        if "enum" in part:
            return " | ".join(part["enum"])
    return str(field.get("type", "object"))
