"""Makes `.venv` with all of requirements.txt, then hands over to `python -m scripts.launcher`.

Runs as a file on the system's Python, before anything is installed: standard library only and no
import of its neighbours.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements.txt"
UV_VERSION = "0.13.8"
STAMP = ".prorata-stamp"


class BootstrapError(Exception):
    """A step that cannot work; the message is one line that says what to do."""


@contextlib.contextmanager
def step(title: str) -> Iterator[None]:
    """Show `title` while the block runs, and how long it took."""
    started_s = time.monotonic()
    print(f"  … {title}", flush=True)
    yield
    print(f"  ✓ {title} ({time.monotonic() - started_s:.1f} s)", flush=True)


def digest_of(requirements: Path, python: Path) -> str:
    """What the venv must agree with: the pins, uv's own version, the interpreter behind it."""
    sha = hashlib.sha256(requirements.read_bytes())
    sha.update(f"{UV_VERSION} {python.resolve()}".encode())
    return sha.hexdigest()


def is_current(venv: Path, requirements: Path) -> bool:
    """True when `venv` was last filled from exactly this requirements file."""
    stamp = venv / STAMP
    python = venv / "bin" / "python"
    return (
        stamp.is_file()
        and python.exists()
        and stamp.read_text().strip() == digest_of(requirements, python)
    )


def require_venv_module() -> None:
    """Debian ships Python without ensurepip; say the one apt line instead of failing inside."""
    if all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        return
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    raise BootstrapError(
        f"this Python has no venv/ensurepip. Run: {sudo()}apt-get install -y {package}"
    )


def sudo() -> str:
    return "" if os.geteuid() == 0 else "sudo "


def run(argv: list[str], what: str) -> None:
    """Run `argv`; on failure show its last lines and raise in one line."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode == 0:
        return
    tail = (done.stderr.strip() or done.stdout.strip()).splitlines()[-15:]
    print("\n".join(f"    {line}" for line in tail), file=sys.stderr)
    raise BootstrapError(f"{what} failed (status {done.returncode}); its last lines are above.")


def works(python: Path) -> bool:
    """True when the venv's interpreter starts and is new enough."""
    probe = [str(python), "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    try:
        return subprocess.run(probe, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def ensure_venv() -> None:
    """Create `.venv`, or make it anew when its interpreter is gone."""
    python = VENV / "bin" / "python"
    if works(python):
        return
    require_venv_module()
    if VENV.is_symlink():
        raise BootstrapError(".venv is a link to a venv that does not work: remove the link.")
    with step("virtual environment .venv"):
        if VENV.exists():
            shutil.rmtree(VENV)
        run([sys.executable, "-m", "venv", str(VENV)], "python3 -m venv")


def ensure_requirements() -> None:
    """Install uv, then requirements.txt by uv; nothing when the stamp agrees."""
    if is_current(VENV, REQUIREMENTS):
        return
    python, uv = VENV / "bin" / "python", VENV / "bin" / "uv"
    (VENV / STAMP).unlink(missing_ok=True)
    if not uv.exists():
        with step("uv, the installer"):
            run([str(python), "-m", "pip", "install", "-q", f"uv=={UV_VERSION}"], "pip install uv")
    with step("Python packages from requirements.txt"):
        install = [str(uv), "pip", "install", "-q", "--python", str(python)]
        run([*install, "-r", str(REQUIREMENTS)], "uv pip install")
    (VENV / STAMP).write_text(digest_of(REQUIREMENTS, python) + "\n")


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two first starts at once must not fill the same venv together."""
    (ROOT / "var").mkdir(exist_ok=True)
    with (ROOT / "var" / "bootstrap.lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("  … waiting for another script that is installing", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def main() -> int:
    """1 or 130 when it could not; else this process becomes the launcher."""
    os.environ.setdefault("PRORATA_STARTED_AT", f"{time.time():.3f}")
    try:
        with one_at_a_time():
            ensure_venv()
            ensure_requirements()
    except BootstrapError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"✗ {error.filename} is not writable for you: run as its owner.", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    # The launcher must find `scripts` and nothing of the caller's directory.
    os.chdir(ROOT)
    python = str(VENV / "bin" / "python")
    return os.execv(python, [python, "-m", "scripts.launcher", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
