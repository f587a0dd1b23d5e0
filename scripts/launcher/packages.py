"""What only the system's packages bring: Pango for PDFs, fonts, Chromium for browser tests."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from scripts.launcher.bootstrap import sudo
from scripts.launcher.say import step, warn

# library file → Debian package. The third makes WeasyPrint three times faster.
_LIBRARIES = {
    "libpango-1.0.so.0": "libpango-1.0-0",
    "libpangoft2-1.0.so.0": "libpangoft2-1.0-0",
    "libharfbuzz-subset.so.0": "libharfbuzz-subset0",
}
# pattern of a font file → Debian package: names of people are in every script.
_FONTS = {"NotoSansArabic*": "fonts-noto-core", "NotoSansCJK*": "fonts-noto-cjk"}
_FONT_DIRS = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path.home() / ".fonts",
    Path.home() / ".local/share/fonts",
    Path("/Library/Fonts"),
)
CHROMIUM = Path("/usr/bin/chromium")


def missing_libraries() -> list[str]:
    """Debian packages of the libraries that cannot be loaded."""
    return [package for library, package in _LIBRARIES.items() if not _loads(library)]


def missing_fonts() -> list[str]:
    return [
        package
        for pattern, package in _FONTS.items()
        if not any(True for folder in _FONT_DIRS for _ in folder.rglob(pattern))
    ]


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def ensure_for_documents() -> None:
    """Pango and fonts: installed when root on Debian, else one line that says how."""
    libraries, fonts = missing_libraries(), missing_fonts()
    if not libraries and not fonts:
        return
    if not install("Pango and fonts for PDF documents", [*libraries, *fonts]):
        what = "no PDF can be made" if libraries else "some names show as boxes in PDFs"
        warn(f"{what} until you run: {line([*libraries, *fonts])}")


def ensure_chromium() -> None:
    """For browser tests; without it they skip with their reason."""
    if not CHROMIUM.exists() and not install("Chromium for the browser tests", ["chromium"]):
        warn(f"browser tests are skipped until you run: {line(['chromium'])}")


def line(names: Iterable[str]) -> str:
    return f"{sudo()}apt-get install -y --no-install-recommends {' '.join(names)}"


def install(title: str, names: list[str]) -> bool:
    """`apt-get install` when we are root and there is apt-get; True when it worked."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *names]
    with step(f"{title} (apt-get)"):
        for argv in (command, ["apt-get", "update", "-q"], command):
            done = subprocess.run(argv, capture_output=True, check=False, env=env)
            if done.returncode == 0 and argv is command:
                return True
    return False
