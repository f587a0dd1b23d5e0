"""What the entry points decide before anything is started."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.launcher import bootstrap, envfile, lock, place, ports, postgres
from scripts.launcher.procfile import read_procfile
from scripts.launcher.say import StepError

ROOT = Path(__file__).resolve().parents[2]


def test_a_taken_port_is_named_with_its_holder_and_the_variable(free_port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port))
        taken.listen()
        with pytest.raises(StepError) as caught:
            ports.require_free({"LIVE_PORT": free_port})
    message = str(caught.value)
    assert f"port {free_port} is taken by process {os.getpid()}" in message
    assert "LIVE_PORT=" in message
    assert "\n" not in message


@pytest.mark.parametrize("text", ["0", "-1", "http", "32768", "65536"])
def test_a_port_outside_the_usable_range_is_refused(text: str) -> None:
    with pytest.raises(StepError, match=f"PORT={text} is not a port"):
        ports.chosen({"PORT": text})


def test_one_port_for_two_processes_is_refused() -> None:
    with pytest.raises(StepError, match="LIVE_PORT=8000 is used twice"):
        ports.chosen({"LIVE_PORT": "8000"})


def test_the_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    code = (
        "import sys; from pathlib import Path; from scripts.launcher import lock\n"
        "with lock.sole(Path(sys.argv[1]), 'x'): print('held', flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == "held"
        with (
            pytest.raises(StepError, match=rf"already running \(process {holder.pid}\)"),
            lock.sole(path, "Prorata"),
        ):
            pytest.fail("two hold the lock")
        holder.kill()
    with lock.sole(path, "Prorata"):  # kill -9 left nothing to clean up
        assert path.read_text().strip() == str(os.getpid())


def test_the_stamp_holds_until_the_requirements_or_the_interpreter_change(tmp_path: Path) -> None:
    venv, requirements = tmp_path / ".venv", tmp_path / "requirements.txt"
    (venv / "bin").mkdir(parents=True)
    python = venv / "bin" / "python"
    python.symlink_to(sys.executable)
    requirements.write_text("django==5.2.19\n")
    assert not bootstrap.is_current(venv, requirements)
    (venv / bootstrap.STAMP).write_text(bootstrap.digest_of(requirements, python))
    assert bootstrap.is_current(venv, requirements)
    requirements.write_text("django==5.2.20\n")
    assert not bootstrap.is_current(venv, requirements)
    requirements.write_text("django==5.2.19\n")
    python.unlink()
    assert not bootstrap.is_current(venv, requirements)


def test_a_python_without_venv_gets_the_one_apt_line(tmp_path: Path) -> None:
    """As on Debian without python3-venv: the real bootstrap, ensurepip hidden from it."""
    (tmp_path / "scripts" / "launcher").mkdir(parents=True)
    script = tmp_path / "scripts" / "launcher" / "bootstrap.py"
    hide = "import sys; sys.modules['ensurepip'] = None\n"
    source = (ROOT / "scripts" / "launcher" / "bootstrap.py").read_text()
    future = "from __future__ import annotations\n"
    script.write_text(source.replace(future, future + hide, 1))
    (tmp_path / "requirements.txt").write_text("")
    done = subprocess.run(
        [sys.executable, "-I", str(script), "run"], capture_output=True, text=True, check=False
    )
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert done.returncode == 1
    assert done.stderr.strip().endswith(f"apt-get install -y python{version}-venv")
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / ".venv").exists()


def test_the_procfile_has_every_process_of_the_design_and_no_port_that_linux_hands_out() -> None:
    commands = read_procfile(ROOT / "Procfile")
    assert list(commands) == ["release", "engine", "live", "web", "worker", "beat"]
    assert not set(commands) & set(read_procfile(ROOT / "Procfile.dev"))
    assert all(port < ports.EPHEMERAL_FROM for port in ports.DEFAULTS.values())


@pytest.mark.parametrize("line", ["web python", "web:", "we b: x", "web: a\nweb: b"])
def test_a_line_the_procfile_reader_cannot_read_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "Procfile"
    path.write_text(f"# comment\n\n{line}\n")
    with pytest.raises(StepError, match=r"Procfile line [34]:"):
        read_procfile(path)


def test_dotenv_is_read_as_a_shell_would(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# c\nexport A=1\nB='x # y'  # note\nC=\nnonsense\n")
    assert envfile.read_env(path) == {"A": "1", "B": "x # y", "C": ""}
    values = {"URL": "unix:///a b?db=0", "Q": "it's", "EMPTY": ""}
    envfile.write_env(path, values)
    assert envfile.read_env(path) == values
    assert path.stat().st_mode & 0o777 == 0o600


def test_somebody_elses_directory_is_not_used(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    link = tmp_path / "prorata"
    link.symlink_to(real)
    with pytest.raises(StepError, match="belongs to somebody else"):
        place.private_dir(link, None)


def test_a_database_that_does_not_answer_is_one_line(free_port: int) -> None:
    with pytest.raises(StepError, match="DATABASE_URL does not answer: ") as caught:
        postgres.check_external(f"postgres://nobody@127.0.0.1:{free_port}/none")
    assert "\n" not in str(caught.value)


def test_a_cluster_of_another_major_version_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "pg"
    data.mkdir()
    (data / "PG_VERSION").write_text("15\n")
    here = place.Place("x", data, tmp_path, tmp_path, tmp_path, tmp_path, None)
    with pytest.raises(StepError, match=r"made by PostgreSQL 15.*--reset"):
        postgres.initialise(here, sync=False)
