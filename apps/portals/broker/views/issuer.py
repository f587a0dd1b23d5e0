"""Who issues the broker's documents: legal entity, tax, invoices, archive format."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from apps.accounts.access import require_role
from apps.billing.broker import broker_now
from apps.billing.services.issuer import legal_entity, set_legal_entity
from apps.core.errors import ProrataError
from apps.portals.broker.documents_form import LegalEntityForm
from apps.portals.broker.page import ADMIN, context, request_id, show_error, user_of


@require_http_methods(["GET", "HEAD", "POST"])
@require_role(*ADMIN)
def issuer(request: HttpRequest) -> HttpResponse:
    """GET the settings; POST changes them for documents issued from now on."""
    entity = legal_entity(broker_now().legal_name)
    form = LegalEntityForm(request.POST or None, initial=LegalEntityForm.values_of(entity))
    if request.method == "POST" and form.is_valid():
        try:
            set_legal_entity(user_of(request), form.entity(), request_id=request_id(request))
        except ProrataError as error:
            show_error(form, error)
        else:
            messages.success(request, _("Saved. Documents issued earlier stay as they are."))
            return redirect("broker:issuer")
    status = 400 if form.is_bound else 200
    shown = context(request, "broker:documents", form=form, is_new=entity.pk is None)
    return render(request, "office/issuer.html", shown, status=status)
