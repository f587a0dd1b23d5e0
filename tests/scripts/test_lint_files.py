"""Each of our own static checks fails on what it is there for."""

from __future__ import annotations

import pytest

from scripts.launcher import catalogue, frontend
from scripts.launcher.bootstrap import ROOT
from scripts.launcher.lint_files import import_problems, inline_problems


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("<p>\n<script>alert(1)</script>", "inline <script>"),
        ('<p>\n<p style="color:red">', "style attribute"),
        ("<p>\n<p {% if x %}class='a'{% endif %} style='{{ y }}'>", "style attribute"),
        ('<p>\n<button type="button" onclick="go()">', "event handler attribute"),
        ('<p>\n<button hx-on:click="go()">', "event handler attribute"),
        ("<p>\n<style>p{}</style>", "inline <style>"),
        ('<p>\n<a href="javascript:void(0)">', "javascript: address"),
    ],
)
def test_what_the_policy_blocks_is_found(source: str, what: str) -> None:
    assert list(inline_problems("templates/a.html", source)) == [f"templates/a.html:2: {what}"]


@pytest.mark.parametrize(
    "source",
    [
        '<script src="{% static \'js/a.js\' %}" type="module"></script>',
        '<script type="application/json" id="data">{}</script>',
        "{# <script> #}{% comment %}<p style='x'>{% endcomment %}<!-- <style> -->",
        '<p data-style="x" data-onclick="y">one style="none"</p>',
    ],
)
def test_what_the_policy_allows_is_not_found(source: str) -> None:
    assert list(inline_problems("templates/a.html", source)) == []


def test_mail_may_have_inline_style_but_no_script() -> None:
    source = '<p style="color:red"><script>x</script>'
    found = list(inline_problems("templates/email/statement.html", source))
    assert found == ["templates/email/statement.html:1: inline <script>"]


def test_a_printed_document_may_have_style_but_no_script() -> None:
    source = "<style>@page { margin: 1cm }</style><p style='x'><script>y</script>"
    found = list(inline_problems("templates/billing/statement.html", source))
    assert found == ["templates/billing/statement.html:1: inline <script>"]


def test_a_module_that_imports_what_is_not_there_is_found() -> None:
    source = (
        'import { a } from "./there.js";\nimport {\n  b,\n} from "./gone.js";\n'
        'import "./gone2.js";\nexport { c } from "./gone3.js";\n'
        'export function d(text) {\n  return text.split(".");\n}\n'
        'import e from "/static/vendor/x.js";\n'
    )
    path = ROOT / "static" / "js" / "test-only.js"
    found = [problem.split(": ")[1] for problem in import_problems(path, source)]
    assert found == [
        f"imports ./{name}.js, not there" for name in ("there", "gone", "gone2", "gone3")
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('msgid "a"\nmsgstr "b\n', "2: not a line"),
        ('msgid "a"\nmsgstr "\\N{x}"\n', "2: a string that does not end"),
        ('msgid "a"\nmsgstr "b"\n\nmsgid "a"\nmsgstr "c"\n', "4: the message is there already"),
        ('#, python-format\nmsgid "%(n)s lots"\nmsgstr "%(m)s Lots"\n', "%(m)s is not in the"),
    ],
)
def test_a_broken_catalogue_is_found(text: str, problem: str) -> None:
    found = list(catalogue.problems(text))
    assert len(found) == 1
    assert problem in found[0]


def test_a_good_catalogue_is_well() -> None:
    text = (
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
        '#: a.py:1\n#, python-format\nmsgid "%(n)s lot"\nmsgid_plural "%(n)s lots"\n'
        'msgstr[0] "%(n)s Lot"\nmsgstr[1] ""\n"%(n)s Lots"\n'
    )
    assert list(catalogue.problems(text)) == []


def test_vendor_files_agree_with_the_lock_or_are_not_current(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Adding a file to the list makes what was copied before out of date."""
    before = frontend.digest()
    monkeypatch.setitem(frontend.FILES, "another", {"a.js": "another/a.js"})
    assert frontend.digest() != before
    assert not frontend.is_current()
