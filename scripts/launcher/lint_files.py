"""Checks of our own on templates, scripts, vendor files, translations.

python -m scripts.launcher.lint_files templates|javascript|vendor|translations|shell
prints one line a problem, `FILE:LINE: what`, and exits 1 when there is one.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from scripts.launcher import frontend
from scripts.launcher.bootstrap import ROOT

# Our Content-Security-Policy forbids inline code and style: the browser would ignore these.
_INLINE = {
    "inline <script>": re.compile(
        r"<script\b(?![^>]*\bsrc\s*=)(?![^>]*application/(?:ld\+)?json)[^>]*>", re.I
    ),
    "inline <style>": re.compile(r"<style\b", re.I),
    "style attribute": re.compile(r"<[a-z][^<>]*\sstyle\s*=", re.I),
    "event handler attribute": re.compile(r"<[a-z][^<>]*\s(?:on[a-z]+|hx-on[:a-z-]*)\s*=", re.I),
    "javascript: address": re.compile(r"[\"']\s*javascript:", re.I),
}
# Mail programs read no style sheets: in mail, style is inline.
_MAIL = re.compile(r"(^|/)e?mails?(/|_)")
# A printed document (it has @page) is rendered by WeasyPrint, not served.
_PRINTED = re.compile(r"@page\b")
_UNSERVED_MAY = {"inline <style>", "style attribute"}
_COMMENT = re.compile(r"{#.*?#}|{%\s*comment\b.*?{%\s*endcomment\s*%}|<!--.*?-->", re.S)
_NAMES = r"[\w$*{},\s]+?\sfrom\s*"
_IMPORT = re.compile(rf"""^\s*(?:import\s*(?:{_NAMES})?|export\s*{_NAMES})["']([^"']+)["']""", re.M)
_VENDOR = re.compile(r"""vendor/([\w./-]+\.(?:js|css))""")


def line_of(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def inline_problems(name: str, source: str) -> Iterator[str]:
    """What the Content-Security-Policy would block in the template `name`."""
    text = _COMMENT.sub(lambda match: "\n" * match[0].count("\n"), source)
    unserved = bool(_MAIL.search(name) or _PRINTED.search(text))
    for what, pattern in _INLINE.items():
        if unserved and what in _UNSERVED_MAY:
            continue
        for match in pattern.finditer(text):
            yield f"{name}:{line_of(text, match.start())}: {what}"


def template_files() -> list[Path]:
    folders = [ROOT / "templates", *ROOT.glob("apps/*/templates"), ROOT / "tenants" / "templates"]
    found = (path for folder in folders for path in folder.rglob("*.*"))
    return sorted(path for path in found if path.suffix in {".html", ".txt", ".svg", ".xml"})


def scripts() -> list[Path]:
    """Our own browser modules."""
    found = (ROOT / "static").rglob("*.js")
    return sorted(path for path in found if frontend.VENDOR not in path.parents)


def catalogues() -> list[Path]:
    return sorted(path for name in ("locale", "apps") for path in (ROOT / name).rglob("*.po"))


def templates() -> Iterator[str]:
    """Every template compiles with our tags and filters, and has nothing inline."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.template import TemplateSyntaxError, engines

    for path in template_files():
        name, source = str(path.relative_to(ROOT)), path.read_text()
        try:
            engines["django"].from_string(source)
        except TemplateSyntaxError as error:
            yield f"{name}: {error}"
        if path.suffix == ".html":
            yield from inline_problems(name, source)


def javascript() -> Iterator[str]:
    """Every script parses as a module, and the files it imports exist."""
    for path in scripts():
        name, source = str(path.relative_to(ROOT)), path.read_text()
        done = subprocess.run(
            [*frontend.node(), "--input-type=module", "--check", "-"],
            input=source,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            what = next((line for line in lines if "Error" in line), lines[0])
            at = re.search(r"^\[?stdin\]?:(\d+)", done.stderr, re.M)
            yield f"{name}:{at[1] if at else 1}: {what}"
        yield from import_problems(path, source)


def import_problems(path: Path, source: str) -> Iterator[str]:
    """Relative imports of the module at `path` that name no file."""
    for match in _IMPORT.finditer(source):
        target = match[1]
        if target.startswith(".") and not (path.parent / target).is_file():
            where = f"{path.relative_to(ROOT)}:{line_of(source, match.start(1))}"
            yield f"{where}: imports {target}, not there"


def vendor() -> Iterator[str]:
    """Pins are exact, the lock file names no host, pages use only vendor files that we copy."""
    package = json.loads((ROOT / "package.json").read_text())
    for kind in ("dependencies", "devDependencies"):
        for name, version in package.get(kind, {}).items():
            if not re.fullmatch(r"\d+\.\d+\.\d+", version):
                yield f"package.json: {name} {version} is not an exact version"
    if '"resolved"' in (ROOT / "package-lock.json").read_text():
        yield "package-lock.json: has `resolved` addresses: see .npmrc"
    known = {name for names in frontend.FILES.values() for name in names.values()}
    for path in [*template_files(), *scripts()]:
        source = path.read_text()
        for match in _VENDOR.finditer(source):
            if match[1] not in known:
                where = f"{path.relative_to(ROOT)}:{line_of(source, match.start())}"
                yield f"{where}: vendor/{match[1]} is not in scripts/launcher/frontend.py"


def translations() -> Iterator[str]:
    """Every catalogue compiles, with the placeholders of its originals."""
    from scripts.launcher.catalogue import problems

    for path in catalogues():
        for problem in problems(path.read_text()):
            yield f"{path.relative_to(ROOT)}:{problem}"


def shell() -> Iterator[str]:
    """Entry points are executable and parse."""
    entries = [ROOT / "scripts" / name for name in ("run", "test", "lint", "bench")]
    for path in [*entries, ROOT / "scripts/launcher/enter.sh", ROOT / ".ci/run"]:
        name = path.relative_to(ROOT)
        if not os.access(path, os.X_OK):
            yield f"{name}: not executable"
            continue
        interpreter = path.read_text().splitlines()[0].removeprefix("#!").split()
        done = subprocess.run(
            [*interpreter, "-n", str(path)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            yield f"{name}: {done.stderr.strip()}"


CHECKS: dict[str, Callable[[], Iterator[str]]] = {
    check.__name__: check for check in (templates, javascript, vendor, translations, shell)
}


def main() -> int:
    found = list(CHECKS[sys.argv[1]]())
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
