"""No inline script, style or handler in any template: the policy would block it, silently."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from tenants.models import Broker

ROOT = Path(settings.BASE_DIR)
INLINE = {
    "script without src": re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>"),
    "style element": re.compile(r"<style\b"),
    "style attribute": re.compile(r"<[a-z][^>]*\sstyle\s*="),
    "event handler": re.compile(r"<[a-z][^>]*\son[a-z]+\s*="),
    "htmx handler": re.compile(r"\shx-on[:=]"),
    "javascript url": re.compile(r"javascript:"),
}


def pages() -> list[Path]:
    """Templates that browsers are sent; mails and printed documents (@page) have no policy."""
    found = [*ROOT.glob("templates/**/*.html"), *ROOT.glob("apps/*/templates/**/*.html")]
    sent = [path for path in found if not {"email", "mail"} & set(path.parts)]
    return [path for path in sent if "@page" not in path.read_text()]


def inline_in(text: str) -> list[str]:
    return [name for name, pattern in INLINE.items() if pattern.search(text)]


def test_no_template_holds_inline_script_or_style() -> None:
    assert len(pages()) > 40
    guilty = {str(path.relative_to(ROOT)): inline_in(path.read_text()) for path in pages()}
    assert {path: names for path, names in guilty.items() if names} == {}


@pytest.mark.parametrize(
    ("markup", "name"),
    [
        ("<script>alert(1)</script>", "script without src"),
        ("<style>p{}</style>", "style element"),
        ('<p class="a" style="x">', "style attribute"),
        ('<a href="#" onclick="x()">', "event handler"),
        ('<b hx-on:click="x()">', "htmx handler"),
        ('<a href="javascript:x()">', "javascript url"),
    ],
)
def test_the_scan_sees_what_it_looks_for(markup: str, name: str) -> None:
    assert name in inline_in(markup)


@pytest.mark.parametrize(("host", "path"), [("acme", "/accounts/login/"), ("public", "/status")])
def test_the_policy_allows_nothing_inline(
    acme: Broker, client_at: Callable[[str], Client], host: str, path: str
) -> None:
    policy = client_at(host).get(path)["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy


# What is not text to translate: template code first, then tags, ids, units, code, entities.
TEMPLATE_CODE = re.compile(
    r"{%\s*(blocktranslate|blocktrans|comment)\b.*?{%\s*end\1\s*%}|{%.*?%}|{{.*?}}|{#.*?#}",
    re.DOTALL,
)
MARKUP = re.compile(
    r"""<!--.*?--> | &\w+;
    | <(pre|code|kbd)\b[^>]*>.*?</\1>
    | <span\s[^>]*class="[^"]*\b(?:id|unit)\b[^"]*"[^>]*>.*?</span>
    | <(?:[^>"']|"[^"]*"|'[^']*')*>""",
    re.DOTALL | re.VERBOSE,
)
# Proper names and names of formats, the same in every language; the page for developers.
NAMES = {"Prorata", "UTC", "CSV", "PDF", "API", "OpenAPI", "status", "json", "healthz"}
UNTRANSLATED = {"design.html"}


def loose_words(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z]{3,}", MARKUP.sub(" ", TEMPLATE_CODE.sub("", text)))) - NAMES


def test_every_visible_word_of_a_page_is_marked_for_translation() -> None:
    found = {
        str(path.relative_to(ROOT)): loose_words(path.read_text())
        for path in pages()
        if path.name not in UNTRANSLATED
    }
    assert {path: words for path, words in found.items() if words} == {}


def test_a_loose_word_is_seen() -> None:
    assert loose_words('<p title="{% translate "a" %}">Hello {{ name }}</p>') == {"Hello"}
