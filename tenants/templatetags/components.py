"""Block components: markup that wraps other markup. The rest are includes in templates/components.

{% load components %}
{% panel _("Blocks") flush=True %} … {% endpanel %}
{% dialog "close-block" _("Close block") %} … {% enddialog %}
{% alert "warn" _("Title") %} … {% endalert %}
"""

from __future__ import annotations

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

register = template.Library()


def _render(name: str, **context: object) -> SafeString:
    return SafeString(render_to_string(f"components/{name}.html", context))


@register.simple_block_tag
def panel(content: str, title: str = "", id: str = "", flush: bool = False, level: int = 2) -> str:
    """A titled surface. `flush` lets a table reach the edges. A head with tools is written by hand
    (see components/panel.html: .panel-head, then .panel-tools)."""
    return _render("panel", content=content, title=title, id=id, flush=flush, level=level)


@register.simple_block_tag
def dialog(content: str, id: str, title: str, wide: bool = False) -> str:
    """A native modal dialog, opened by any element with data-dialog-open="ID"."""
    return _render("dialog", content=content, id=id, title=title, wide=wide)


@register.simple_block_tag
def alert(content: str, tone: str = "info", title: str = "", code: str = "") -> str:
    """A message in the page: tone ok, info, warn or bad; `code` is the error's stable code."""
    return _render("alert", content=content, tone=tone, title=title, code=code)
