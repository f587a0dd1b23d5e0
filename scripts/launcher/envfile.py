"""`.env` and the environment that every child process gets."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from scripts.launcher.bootstrap import ROOT, VENV

# Written by scripts/run, read by settings: `manage.py` in a second terminal meets the same servers.
CURRENT = ROOT / "var" / "run" / "current.env"


def read_env(path: Path) -> dict[str, str]:
    """KEY=VALUE lines; comments, `export` and quotes as in a shell; an absent file is empty."""
    values: dict[str, str] = {}
    if not path.is_file():
        return values
    for line in path.read_text().splitlines():
        text = line.strip().removeprefix("export ")
        name, equals, value = text.partition("=")
        if not equals or text.startswith("#"):
            continue
        parts = shlex.split(value, comments=True)
        values[name.strip()] = parts[0] if parts else ""
    return values


def write_env(path: Path, values: Mapping[str, str]) -> None:
    """Readable by its owner alone: it may hold passwords."""
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in sorted(values.items())]
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.writelines(lines)


def base_environment() -> dict[str, str]:
    """`.env` under the real environment, the venv's programs first on PATH."""
    values = {**read_env(ROOT / ".env"), **os.environ}
    values["PATH"] = f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    values["VIRTUAL_ENV"] = str(VENV)
    values["PYTHONUNBUFFERED"] = "1"
    values.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    return values
