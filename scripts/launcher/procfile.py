"""Procfile: `name: command`, the same lines in production and here."""

from __future__ import annotations

import re
from pathlib import Path

from scripts.launcher.say import StepError

_LINE = re.compile(r"^([A-Za-z0-9_-]+):\s+(\S.*)$")


def read_procfile(path: Path) -> dict[str, str]:
    """Commands by process name, in the file's order; StepError names a line it cannot read."""
    commands: dict[str, str] = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.match(text)
        if match is None:
            raise StepError(f"{path.name} line {number}: expected `name: command`.")
        if match[1] in commands:
            raise StepError(f"{path.name} line {number}: {match[1]} is there twice.")
        commands[match[1]] = match[2]
    return commands
