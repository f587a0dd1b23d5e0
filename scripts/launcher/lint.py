"""`scripts/lint`: every static check, all of them even when one fails."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from scripts.launcher import envfile, frontend, lint_files
from scripts.launcher.bootstrap import ROOT
from scripts.launcher.say import say

PYTHON = (sys.executable, "-m")
MANAGE = (sys.executable, "manage.py")
PATHS = ("apps", "config", "tenants", "scripts", "tests", "manage.py")
# A deployment as `check --deploy` should see it; nothing is connected to.
PRODUCTION = {
    "DEBUG": "0",
    "SECRET_KEY": "lint-only-" + "0123456789abcdefghijklmnopqrstuvwxyz" * 2,
    "FIELD_KEY": "lint-only-" + "zyxwvutsrqponmlkjihgfedcba9876543210" * 2,
    "PUBLIC_HOST": "prorata.example",
    "ALLOWED_HOSTS": ".prorata.example",
    "DATABASE_URL": "postgres://nobody@127.0.0.1:1/lint",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}


@dataclass(frozen=True)
class Check:
    """A command, and whether its subject exists yet."""

    name: str
    argv: Sequence[str]
    applies: Callable[[], bool] = lambda: True
    env: dict[str, str] | None = None


def checks() -> list[Check]:
    modules = [path for path in PATHS if (ROOT / path).exists()]
    own = (*PYTHON, "scripts.launcher.lint_files")
    return [
        Check("ruff check", (*PYTHON, "ruff", "check", ".")),
        Check("ruff format", (*PYTHON, "ruff", "format", "--check", ".")),
        Check("mypy --strict", (*PYTHON, "mypy", *modules)),
        Check("import-linter", (sys.executable, "-c", _IMPORT_LINTER)),
        Check("makemigrations", (*MANAGE, "makemigrations", "--check", "--dry-run"), _manage),
        Check("check --deploy", (*MANAGE, "check", "--deploy", "--fail-level", "WARNING"), _manage),
        Check("templates", (*own, "templates"), lambda: any(lint_files.template_files())),
        Check("javascript", (*own, "javascript"), lambda: any(lint_files.scripts())),
        Check("vendor files", (*own, "vendor"), lambda: (ROOT / "package.json").exists()),
        Check("translations", (*own, "translations"), lambda: any(lint_files.catalogues())),
        Check("shell scripts", (*own, "shell")),
    ]


# Its console script has the venv's first path in it; the module has no __main__.
_IMPORT_LINTER = (
    "import sys; from importlinter.cli import lint_imports_command as run; "
    "sys.argv = ['lint-imports', '--no-cache']; run()"
)


def _manage() -> bool:
    return (ROOT / "manage.py").exists()


def main(arguments: Sequence[str]) -> int:
    """0 when every check passed; the output of those that failed is shown."""
    parser = argparse.ArgumentParser(prog="scripts/lint", description=__doc__)
    parser.add_argument("only", nargs="*", metavar="NAME", help="only checks whose name has this")
    options = parser.parse_args(arguments)
    frontend.ensure()
    chosen = [
        check
        for check in checks()
        if not options.only or any(part in check.name for part in options.only)
    ]
    env = {**envfile.base_environment(), **PRODUCTION}
    with ThreadPoolExecutor(max_workers=2) as pool:
        passed = list(pool.map(lambda check: _run(check, env), chosen))
    failed = [check.name for check, well in zip(chosen, passed, strict=True) if not well]
    say(f"lint: {len(chosen) - len(failed)} of {len(chosen)} checks well")
    if failed:
        say(f"lint: FAILED: {', '.join(failed)}")
    return 1 if failed or not chosen else 0


def _run(check: Check, env: dict[str, str]) -> bool:
    if not check.applies():
        say(f"  - {check.name}: nothing to check yet")
        return True
    started_s = time.monotonic()
    done = subprocess.run(
        check.argv,
        cwd=ROOT,
        env={**env, **(check.env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    took_s = time.monotonic() - started_s
    if done.returncode == 0:
        say(f"  ✓ {check.name} ({took_s:.1f} s)")
        return True
    output = done.stdout.strip() or f"status {done.returncode}"
    say(f"  ✗ {check.name} ({took_s:.1f} s)\n" + "\n".join(f"    {x}" for x in output.splitlines()))
    return False


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main(sys.argv[1:]))
