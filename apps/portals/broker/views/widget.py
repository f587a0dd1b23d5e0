"""The widget: its settings, the tag to paste, and how it looks."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from apps.accounts.access import require_role
from apps.leaderboards.board import board, save_widget_settings, widget_settings
from apps.portals.broker.forms import WidgetForm
from apps.portals.broker.page import ADMIN, context, request_id, user_of


@require_http_methods(["GET", "HEAD", "POST"])
@require_role(*ADMIN)
def widget(request: HttpRequest) -> HttpResponse:
    """GET shows the tag and the settings; POST changes them."""
    form = WidgetForm(request.POST or None, instance=widget_settings())
    if request.method == "POST" and form.is_valid():
        try:
            save_widget_settings(
                user_of(request), form.cleaned_data, request_id=request_id(request)
            )
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("The widget's settings are changed."))
            return redirect("broker:widget")
    address = request.build_absolute_uri(reverse("widgets:loader"))
    return render(
        request,
        "office/widget.html",
        context(
            request,
            "broker:widget",
            form=form,
            tag=f'<script src="{address}" data-theme="auto" data-limit="10" async></script>',
            preview=reverse("widgets:leaderboard"),
            rows=list(board(50)),
        ),
        status=400 if form.is_bound and form.errors else 200,
    )
