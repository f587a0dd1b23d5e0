"""The journal of a running engine, exported and verified without anything of ours."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from tests.engine.desk import ROOT, Desk

pytestmark = pytest.mark.django_db  # else pytest-django makes no test database
VERIFIER = ROOT / "scripts" / "auditor" / "verify_journal.py"


def audit(path: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(VERIFIER), str(path), "--balances"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_what_the_engine_wrote_is_right_and_a_row_changed_in_the_database_is_named(
    desk: Desk, tmp_path: Path
) -> None:
    desk.fault("partial", steps=70)
    blocks = [desk.place("3.00"), desk.place("2.10", "USDJPY", side="sell")]
    desk.adjust(desk.stage.account_ids[0], "deposit", 12_345)
    for block_id in blocks:
        desk.wait_state(block_id, "open")
    desk.close(blocks[0], fraction=Decimal("0.37"))
    desk.flat()
    desk.verify()
    book = {"broker": desk.broker, "book": desk.stage.book_id}
    call_command("export_journal", tmp_path / "right", **book)
    status, said = audit(tmp_path / "right")
    assert status == 0, said
    told = {int(a): int(b) for a, _, b in (x.split("\t") for x in said.splitlines() if "\t" in x)}
    assert told == dict(
        desk.sql(
            "SELECT account_id, balance_minor FROM {account_state} WHERE book_id = %s",
            desk.stage.book_id,
        )
    )
    where = "WHERE book_id = %s AND seq = 7"
    ((at_ms,),) = desk.sql(f"SELECT at_ms FROM {{journal}} {where}", desk.stage.book_id)
    desk.do(f"UPDATE {{journal}} SET at_ms = at_ms + 1 {where}", desk.stage.book_id)
    call_command("export_journal", tmp_path / "wrong", **book)
    desk.do(f"UPDATE {{journal}} SET at_ms = %s {where}", at_ms, desk.stage.book_id)
    status, said = audit(tmp_path / "wrong")
    assert (status, "record 7 does not carry the digest" in said) == (1, True)


def test_an_export_overwrites_nothing_and_needs_a_book_that_is_there(
    desk: Desk, tmp_path: Path
) -> None:
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(CommandError, match="exists"):
        call_command(
            "export_journal", tmp_path / "kept", broker=desk.broker, book=desk.stage.book_id
        )
    assert (tmp_path / "kept").read_text() == "mine"
    with pytest.raises(CommandError, match="no journal"):
        call_command("export_journal", tmp_path / "new", broker=desk.broker, book=uuid4())
    with pytest.raises(CommandError, match="no broker"):
        call_command("export_journal", tmp_path / "new", broker="nobody", book=desk.stage.book_id)
    assert not (tmp_path / "new").exists()
