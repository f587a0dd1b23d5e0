"""Every code that the book, the rules or the engine can refuse with has its line in docs."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_RAISED = re.compile(
    r"(?:Input|Rejected|Conflict|NotFound|Unavailable|UnknownOutcome)Error\(\s*"
    r'"([a-z_]+)"(?:\s+if [^\n]*?else "([a-z_]+)")?'
)


def test_every_code_of_book_rules_and_engine_is_in_docs_rejections() -> None:
    documented = set(re.findall(r"`([a-z_]+)`", (ROOT / "docs/rejections.md").read_text()))
    sources = [
        *(ROOT / "apps/core/book").rglob("*.py"),
        *(ROOT / "apps/engine").glob("*.py"),
        *((ROOT / "apps/core/allocation" / f"{n}.py") for n in
          ("rule", "request", "allocate", "methods")),
    ]  # fmt: skip
    raised = {
        code
        for source in sources
        for found in _RAISED.findall(source.read_text())
        for code in found
        if code
    }
    assert len(raised) > 50
    assert raised - documented == set()
