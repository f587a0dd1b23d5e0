"""Reads gettext .po catalogues without GNU gettext and says what is wrong in them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_KEYWORD = re.compile(r'^(msgctxt|msgid|msgid_plural|msgstr(?:\[\d+\])?)\s+(".*")$')
_PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?[#0\- +]*\d*(?:\.\d+)?[sdifgrx]")


@dataclass
class Entry:
    """One message: the line it starts at and its texts by keyword."""

    line: int
    flags: set[str] = field(default_factory=set)
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        return self.texts.get("msgctxt", ""), self.texts.get("msgid", "")


def problems(text: str) -> Iterator[str]:
    """`LINE: what` for each error: unreadable line, message twice, placeholders that differ."""
    seen: dict[tuple[str, str], int] = {}
    for item in _read(text):
        if isinstance(item, str):
            yield item
            continue
        if item.key in seen:
            yield f"{item.line}: the message is there already, line {seen[item.key]}"
        seen[item.key] = item.line
        yield from _placeholder_problems(item)


def _placeholder_problems(entry: Entry) -> Iterator[str]:
    if not entry.flags & {"python-format", "c-format"}:
        return
    known = {
        match[0]
        for name in ("msgid", "msgid_plural")
        for match in _PLACEHOLDER.finditer(entry.texts.get(name, ""))
    }
    for name, text in entry.texts.items():
        if name.startswith("msgstr"):
            for match in _PLACEHOLDER.finditer(text):
                if match[0] not in known:
                    yield f"{entry.line}: {match[0]} is not in the original"


def _read(text: str) -> Iterator[Entry | str]:
    """Entries, and `LINE: what` for lines that are no part of one."""
    entry, current = Entry(1), ""
    for number, raw in enumerate([*text.splitlines(), ""], start=1):
        line = raw.strip()
        if not line:
            if entry.texts:
                yield entry
            entry, current = Entry(number + 1), ""
        elif line.startswith("#"):
            if line.startswith("#,"):
                entry.flags |= {flag.strip() for flag in line[2:].split(",")}
        elif match := _KEYWORD.match(line):
            current = match[1]
            yield from _add(entry, current, match[2], number)
        elif line.startswith('"') and current:
            yield from _add(entry, current, line, number)
        else:
            yield f"{number}: not a line of a catalogue: {line[:40]}"


def _add(entry: Entry, keyword: str, quoted: str, number: int) -> Iterator[str]:
    try:
        value = ast.literal_eval(quoted)
    except (SyntaxError, ValueError):
        yield f"{number}: a string that does not end, or a wrong escape"
        return
    entry.texts[keyword] = entry.texts.get(keyword, "") + str(value)
