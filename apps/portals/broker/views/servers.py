"""Trading servers: whether each is connected, how symbols map between them, execution modes."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.access import require_role
from apps.accounts.models import Master, SymbolMap
from apps.core.errors import ProrataError
from apps.portals.broker.forms import ExecutionForm, SymbolMapForm
from apps.portals.broker.page import ADMIN, context, request_id, show_error, user_of
from apps.portals.broker.servers import execute_as, save_map, server_lines
from tenants.door import current_broker


@require_http_methods(["GET", "HEAD", "POST"])
@require_role(*ADMIN)
def servers(request: HttpRequest) -> HttpResponse:
    """GET the servers and maps; POST makes a map between two servers, or replaces it."""
    form = SymbolMapForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        save_map(user_of(request), form.cleaned_data, request_id=request_id(request))
        return redirect("broker:servers")
    return _page(request, form, ExecutionForm())


@require_POST
@require_role(*ADMIN)
def execution(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """POST: how this master's next blocks are executed."""
    master = get_object_or_404(Master, public_id=public_id)
    form = ExecutionForm(request.POST)
    if form.is_valid():
        try:
            execute_as(
                current_broker(),
                master,
                user_of(request),
                form.cleaned_data["command_id"],
                form.cleaned_data["mode"],
                request_id=request_id(request),
            )
        except ProrataError as error:
            show_error(form, error)
        else:
            return redirect("broker:servers")
    return _page(request, SymbolMapForm(), form)


def _page(request: HttpRequest, form: SymbolMapForm, modes: ExecutionForm) -> HttpResponse:
    status = 400 if any(one.is_bound and one.errors for one in (form, modes)) else 200
    return render(
        request,
        "office/servers.html",
        context(
            request,
            "broker:servers",
            form=form,
            modes=modes,
            servers=server_lines(current_broker()),
            maps=SymbolMap.objects.select_related("source", "target").order_by("pk"),
            masters=Master.objects.filter(is_active=True)
            .select_related("account__server")
            .order_by("name"),
            executions=Master.Execution.choices,
        ),
        status=status,
    )
