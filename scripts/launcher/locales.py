"""Catalogues in locale/: compiled by Babel (no GNU gettext), and what they must hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from scripts.launcher.bootstrap import ROOT
from scripts.launcher.say import step

LOCALE = ROOT / "locale"
# Where documents and their mail get their words from.
TEMPLATES = ("templates/billing", "templates/email")
MODULES = (
    "apps/billing/words.py",
    "apps/billing/pdf.py",
    "apps/billing/services/messages.py",
)
_CALL = re.compile(r"(?:gettext|gettext_noop|pgettext)\((u?)(['\"])(.*?)(?<!\\)\2", re.DOTALL)


def catalogues() -> list[Path]:
    return sorted(LOCALE.glob("*/LC_MESSAGES/*.po"))


def ensure() -> None:
    """Compile each catalogue that is newer than its compiled form (which is not in git)."""
    stale = [po for po in catalogues() if not _is_current(po)]
    if stale:
        with step("catalogues of translations"):
            for po in stale:
                compile_one(po)


def _is_current(po: Path) -> bool:
    mo = po.with_suffix(".mo")
    return mo.is_file() and mo.stat().st_mtime >= po.stat().st_mtime


def compile_one(po: Path) -> None:
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    with po.open("rb") as source:
        catalogue = read_po(source, locale=po.parents[1].name)
    temporary = po.with_suffix(".mo.new")
    with temporary.open("wb") as target:
        write_mo(target, catalogue)
    temporary.replace(po.with_suffix(".mo"))  # two starts at once never read half a file


def wanted() -> set[str]:
    """Every message that a document or its mail can show. Needs Django's settings."""
    found = {text for path in _templates() for text in _in_template(path)}
    return found | {text for name in MODULES for text in _in_python(ROOT / name)}


def _templates() -> Iterator[Path]:
    for folder in TEMPLATES:
        for kind in ("*.html", "*.txt"):
            yield from sorted((ROOT / folder).rglob(kind))


def _in_template(path: Path) -> Iterator[str]:
    from django.utils.translation.template import templatize

    for match in _CALL.finditer(templatize(path.read_text(), origin=str(path))):
        yield match[3].replace("\\n", "\n").replace('\\"', '"').replace("\\'", "'")


def _in_python(path: Path) -> Iterator[str]:
    from babel.messages.extract import extract_python

    with path.open("rb") as source:
        keywords = {"_": None, "gettext": None, "gettext_lazy": None}
        for found in extract_python(source, keywords, (), {}):
            if text := str(found[2] or ""):
                yield text
