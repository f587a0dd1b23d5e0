"""The e-mails themselves: a document to its owner, a run's summary to finance."""

from __future__ import annotations

from email.utils import formataddr
from typing import Any

from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext

from apps.accounts.models import User
from apps.billing import words
from apps.billing.models import Delivery, Document, FeeRun
from apps.billing.pdf import period_label, title_of
from apps.billing.selectors.finance import run_totals
from apps.billing.services.documents import pdf_of
from apps.billing.site import site_of
from tenants.brand import BrandTokens, tokens_of
from tenants.door import current_broker
from tenants.models import Broker

_PAGES = {"remittance": "/desk/documents/"}


def message_for(delivery: Delivery) -> EmailMultiAlternatives:
    """The branded message: text and HTML parts, the PDF attached where there is a document."""
    broker = Broker.objects.select_related("brand").get(schema_name=current_broker())
    brand = tokens_of(broker)
    if delivery.document is not None:
        return _document_message(delivery.document, delivery.to, broker, brand)
    assert delivery.run is not None
    return _summary_message(delivery.run, delivery.to, broker, brand)


def _document_message(
    document: Document, to: str, broker: Broker, brand: BrandTokens
) -> EmailMultiAlternatives:
    data = document.data
    with translation.override(words.language_for(data["language"])):
        title, period = title_of(data), period_label(data)
        context = {
            "document": document,
            "data": data,
            "name": data.get("recipient") or data.get("investor", ""),
            "title": title,
            "brand": brand,
            "rows": _rows(data, period),
            "link": _link(broker, data),
        }
        subject = f"{title} {period} – {document.reference}"
        message = _message("document", subject, context, brand, to, str(document.public_id))
    message.attach(f"{document.reference}.pdf", pdf_of(document), "application/pdf")
    return message


def _rows(data: dict[str, Any], period: str) -> list[tuple[str, str]]:
    """What the mail tells of the document: label and text."""
    currency, total = data["currency"], data.get("total_minor")
    rows = [(gettext("Period"), period)]
    if data["kind"] == "fee_statement":
        figures = data["figures"]
        total = figures["fee_minor"] if total is None else total
        rows += [
            (gettext("Trading account"), data["account"]),
            (gettext("Equity before the fees"), words.money(figures["equity_minor"], currency)),
            (gettext("Closing equity"), words.money(figures["equity_minor"] - total, currency)),
            (gettext("Fees"), words.money(total, currency)),
        ]
        return rows
    return [*rows, (gettext("Total"), words.money(int(total or 0), currency))]


def _link(broker: Broker, data: dict[str, Any]) -> str:
    page = _PAGES.get(data.get("mirrored_kind", data["kind"]), "/portal/fees/")
    site = site_of(broker)
    return site + page if site else ""


def _summary_message(
    run: FeeRun, to: str, broker: Broker, brand: BrandTokens
) -> EmailMultiAlternatives:
    reader = User.objects.filter(email=to).first()
    with translation.override(words.language_for(reader.language if reader else words.DEFAULT)):
        site = site_of(broker)
        context = {
            "key": run.key,
            "brand": brand,
            "totals": [_total_rows(run, total) for total in run_totals(run)],
            "link": f"{site}/office/fees/{run.public_id}/" if site else "",
        }
        subject = gettext("Fee run %(key)s") % {"key": run.key}
        unique = f"{run.public_id}.{reader.pk if reader else 0}"
        return _message("run_summary", subject, context, brand, to, unique)


def _total_rows(run: FeeRun, total: Any) -> list[tuple[str, str]]:
    amounts = {
        gettext("Fees"): total.fee_minor,
        gettext("Managers' share"): total.manager_minor,
        gettext("Our share"): total.broker_minor,
        gettext("Collected"): total.collected_minor,
        gettext("Outstanding"): total.outstanding_minor,
    }
    rows = [(label, words.money(minor, total.currency)) for label, minor in amounts.items()]
    agrees = gettext("agrees") if total.agrees else gettext("differs: look at the run")
    return [(gettext("Charges"), str(total.charges)), *rows, (gettext("Ledger"), agrees)]


def _message(
    name: str, subject: str, context: dict[str, Any], brand: BrandTokens, to: str, unique: str
) -> EmailMultiAlternatives:
    """`unique` makes the Message-ID: the same again when the same thing is sent again."""
    message = EmailMultiAlternatives(
        subject=subject,
        body=render_to_string(f"billing/mail/{name}.txt", context),
        from_email=formataddr((brand.display_name, brand.sender_email)),
        to=[to],
        reply_to=[brand.support_email] if brand.support_email else None,
        headers={"Message-ID": f"<{unique}@{brand.sender_email.split('@')[-1]}>"},
    )
    message.attach_alternative(render_to_string(f"billing/mail/{name}.html", context), "text/html")
    return message
