"""API keys: the list, a new one (shown once), revoking."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.access import require_role
from apps.accounts.api_keys import create_key, revoke_key
from apps.accounts.models import ApiKey
from apps.core.errors import ProrataError
from apps.portals.broker.forms import KeyForm
from apps.portals.broker.page import ADMIN, context, request_id, show_error, user_of


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@require_role(*ADMIN)
def keys(request: HttpRequest) -> HttpResponse:
    """GET the list; POST makes a key and answers with the page that shows it, this once."""
    form = KeyForm(request.POST or None)
    text = ""
    if request.method == "POST" and form.is_valid():
        wanted = form.cleaned_data
        try:
            _, text = create_key(
                user_of(request),
                wanted["owner"],
                wanted["name"],
                wanted["scopes"],
                expires_at=form.expires_at(),
                request_id=request_id(request),
            )
        except ProrataError as error:
            show_error(form, error)
        else:
            form = KeyForm()
    status = 400 if form.is_bound and form.errors else 200
    listed = ApiKey.objects.select_related("owner").order_by("revoked_at", "-pk")
    return render(
        request,
        "office/keys.html",
        context(
            request, "broker:keys", form=form, keys=listed[:200], text=text, now=timezone.now()
        ),
        status=status,
    )


@require_POST
@require_role(*ADMIN)
def revoke(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """POST: the key works no more."""
    key = get_object_or_404(ApiKey, public_id=public_id)
    revoke_key(user_of(request), key, request_id=request_id(request))
    return redirect("broker:keys")
