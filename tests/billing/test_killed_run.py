"""kill -9 in the middle of a run: resumed, every link is charged once, and the books agree.

PRORATA_FEE_LINKS=10000 runs it at the size of a large broker.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from apps.billing.models import Document, FeeCharge, FeeRun
from apps.billing.periods import month
from apps.billing.selectors.checking import findings
from apps.billing.services.attending import resume_runs
from apps.billing.services.runs import CHUNK, run_fees
from scripts.benches._crowd import crowd
from tenants.door import broker_schema
from tenants.models import Broker
from tests.billing.test_fee_runs import UTC_ZONE

ROOT = Path(__file__).resolve().parents[2]
LINKS = int(os.environ.get("PRORATA_FEE_LINKS", "4400"))
NOW = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.slow
def test_a_killed_run_is_resumed_and_each_link_is_charged_once(
    own_broker: Broker, process_env: dict[str, str]
) -> None:
    with broker_schema(own_broker.slug):
        crowd(LINKS)
    assert LINKS > 2 * CHUNK, "the kill must find a chunk posted and one to come"
    command = [sys.executable, "manage.py", "run_fees", "--broker", own_broker.slug]
    process = subprocess.Popen(
        [*command, "--period", "2026-10"], cwd=ROOT, env=process_env, stdout=subprocess.DEVNULL
    )
    with broker_schema(own_broker.slug):
        deadline_s = time.monotonic() + 240
        while not FeeCharge.objects.exists():
            assert process.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline_s, "no chunk was posted in time"
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        run = FeeRun.objects.get()
        before = FeeCharge.objects.filter(kind="performance").count()
        assert (run.state, 0 < before < LINKS) == ("posting", True)
        assert run.links_done == before
        FeeRun.objects.update(touched_at=datetime(2026, 11, 1, tzinfo=UTC))  # a minute has passed
        assert resume_runs(NOW) == 1
        _check(run)
        again = run_fees(month("2026-10", UTC_ZONE), now=NOW)
        assert (len(again.charges), again.already) == (0, 2 * LINKS)
        _check(run)


def _check(run: FeeRun) -> None:
    run.refresh_from_db()
    assert (run.state, run.links_total, run.links_done) == ("posted", LINKS, LINKS)
    for kind in ("performance", "management"):
        charged = FeeCharge.objects.filter(run=run, kind=kind).values_list("link_id", flat=True)
        assert len(charged) == len(set(charged)) == LINKS
    numbers = sorted(Document.objects.values_list("number", flat=True))
    assert numbers == list(range(1, LINKS + 1))
    assert findings() == []
