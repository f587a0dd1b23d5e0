"""What people do with their own documents, whatever their role: read them, choose the language."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from apps.accounts.access import require_role
from apps.accounts.models import Role, User
from apps.billing.selectors.people import documents_of
from apps.billing.services.documents import pdf_of
from apps.billing.services.reader import set_language
from apps.billing.words import LANGUAGES, language_for
from apps.core.errors import InputError


def own_pdf(user: User, public_id: UUID) -> HttpResponse:
    """The owner's own document; anybody else's is not there (404). Raises as of pdf_of."""
    document = get_object_or_404(documents_of(user), public_id=public_id)
    response = HttpResponse(pdf_of(document), content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{document.reference}.pdf"'
    response["Cache-Control"] = "private, no-store"
    return response


def languages(user: User) -> dict[str, object]:
    """Context of components/document_language.html."""
    return {
        "document_languages": [(code, own_name) for code, (_locale, own_name) in LANGUAGES.items()],
        "document_language": language_for(user.language),
    }


@require_POST
@require_role(*Role.values)
def choose_language(request: HttpRequest) -> HttpResponse:
    """POST language=ar: what the reader's next documents are written in."""
    try:
        set_language(
            cast(User, request.user),
            request.POST.get("language", ""),
            request_id=str(getattr(request, "id", "")),
        )
    except InputError as error:
        messages.error(request, f"{error.message} [{error.code}]")
    else:
        messages.success(request, _("Your next documents are written in this language."))
    back = request.POST.get("next", "")
    return redirect(back if url_has_allowed_host_and_scheme(back, allowed_hosts=None) else "/")
