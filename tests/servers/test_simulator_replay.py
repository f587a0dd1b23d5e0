"""Replay: files read exactly or refused with file and line, and fed at the pace asked for."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from apps.core.errors import InputError, UnavailableError
from apps.servers.events import Quote
from apps.servers.simulator import quotefiles
from apps.servers.simulator.quotefiles import QuoteFile, SourceTick, load
from apps.servers.simulator.replay import replay, schedule
from tests.servers.peer import ROOT, SimulatorPeer, running, session

SHARED = ROOT.parent / "shared" / "data" / "quotes"
T0 = 1_328_054_400_000  # 2012-02-01 00:00 UTC


def write(path: Path, *lines: str) -> Path:
    text = "\n".join(lines) + "\n"
    if path.name.endswith(".gz"):
        with gzip.open(path, "wt") as stream:
            stream.write(text)
    else:
        path.write_text(text)
    return path


def pair(folder: Path, bids: list[str], asks: list[str]) -> Path:
    header = "timestamp,open,high,low,close"
    write(folder / "gbpusd-m1-bid.csv.gz", header, *bids)
    return write(folder / "gbpusd-m1-ask.csv.gz", header, *asks)


def test_a_rising_bar_goes_low_first_a_falling_one_high_first(tmp_path: Path) -> None:
    pair(
        tmp_path,
        [
            "2012-02-01 00:00:00+00:00,1.50,1.53,1.49,1.52",
            "2012-02-01 00:01:00,1.52,1.54,1.48,1.49",
        ],
        [
            "2012-02-01 00:00:00+00:00,1.51,1.54,1.50,1.53",
            "2012-02-01 00:01:00,1.53,1.55,1.49,1.50",
        ],
    )
    [file] = load([tmp_path])
    assert (file.symbol, len(file.paths), file.unpaired_minutes) == ("GBPUSD", 2, 0)
    assert [t.source_ms - T0 for t in file.ticks] == [
        *(0, 20_000, 40_000, 59_000),
        *(60_000, 80_000, 100_000, 119_000),
    ]
    assert [t.bid for t in file.ticks] == [
        *(150_000, 149_000, 153_000, 152_000),
        *(152_000, 154_000, 148_000, 149_000),
    ]
    assert all(t.ask == t.bid + 1000 for t in file.ticks)


def test_crossed_bars_are_uncrossed_and_lonely_minutes_left_out_and_both_counted(
    tmp_path: Path,
) -> None:
    pair(
        tmp_path,
        ["2012-02-01 00:00:00,1.5,1.6,1.5,1.5", "2012-02-01 00:01:00,1.5,1.5,1.5,1.5"],
        ["2012-02-01 00:00:00,1.5,1.5,1.5,1.5", "2012-02-01 00:02:00,1.5,1.5,1.5,1.5"],
    )
    [file] = load([tmp_path])
    assert len(file.ticks) == 4
    assert (file.crossed_ticks, file.unpaired_minutes) == (1, 2)
    assert all(t.bid <= t.ask for t in file.ticks)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("2013-01-01 22:00:00.500,86.655", "2 fields instead of 3"),
        ("2013-01-01 22:00:00.500,86.655,86.6x", "not a number"),
        ("2013-01-01 22:00:00.500,86.655,NaN", "more than 3 digits"),
        ("2013-01-01 22:00:00.500,86.6551,86.7", "more than 3 digits"),
        ("2013-01-01 22:00:00.500,86.8,86.7", "below bid"),
        ("2013-01-01 22:00:00.500,-1,86.7", "not positive"),
        ("2013-01-01 21:59:59,86.6,86.7", "not after"),
        ("yesterday,86.6,86.7", "isoformat"),
    ],
)
def test_a_bad_row_is_named_with_file_and_line_and_nothing_is_read(
    tmp_path: Path, bad: str, why: str
) -> None:
    good = "2013-01-01 22:00:00.295000+00:00,86.655,86.728"
    later = "2013-01-01 22:00:01,86.655,86.728"
    path = write(tmp_path / "usdjpy-t.csv", "timestamp,bid,ask", good, bad, later)
    with pytest.raises(InputError, match=why) as refused:
        load([path])
    assert refused.value.code == "replay_bad_row"
    assert refused.value.details == {"file": str(path), "line": 3}
    [file] = load([path], skip_bad=True)
    assert (len(file.ticks), file.skipped_rows) == (2, 1)


@pytest.mark.parametrize(
    ("name", "header", "code"),
    [
        ("usdjpy.csv", "time,price", "replay_header"),
        ("usdjpy.csv", "", "replay_header"),
        ("prices.csv", "timestamp,bid,ask", "replay_symbol_unknown"),
        ("eurusd-usdjpy.csv", "timestamp,bid,ask", "replay_symbol_unknown"),
        ("usdjpy-m1-bid.csv", "timestamp,open,high,low,close", "replay_pair_missing"),
        ("usdjpy-m1.csv", "timestamp,open,high,low,close", "replay_pair_missing"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    tmp_path: Path, name: str, header: str, code: str
) -> None:
    with pytest.raises(InputError) as refused:
        load([write(tmp_path / name, header)])
    assert refused.value.code == code


def test_files_that_are_not_there_or_not_gzip_are_refused(tmp_path: Path) -> None:
    (tmp_path / "usdjpy-t.csv.gz").write_bytes(b"plain text")
    for paths, code in (
        ([tmp_path / "usdjpy-none.csv"], "replay_unreadable"),
        ([tmp_path / "usdjpy-t.csv.gz"], "replay_unreadable"),
        ([ROOT / "tests" / "servers"], "replay_no_files"),
    ):
        with pytest.raises(InputError) as refused:
            load(paths)
        assert refused.value.code == code


def test_a_symbol_can_be_said_instead_of_guessed(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "timestamp,bid,ask", "2013-01-01 22:00:00,86.655,86.728")
    [file] = load([path], symbol="USDJPY")
    assert file.ticks == [SourceTick(1_357_077_600_000, 86_655, 86_728)]


def test_symbols_play_side_by_side_at_the_speed_and_long_pauses_are_cut() -> None:
    def file(symbol: str, *times_ms: int) -> QuoteFile:
        return QuoteFile(symbol, (), [SourceTick(ms, 1, 2) for ms in times_ms])

    weekend_ms = 48 * 3_600_000
    files = [file("GBPUSD", 0, 60_000, weekend_ms), file("USDJPY", 9_000_000, 9_030_000)]
    plan = list(schedule(files, speed=60, max_gap_s=30))
    assert [(s.due_ms, s.row[0]) for s in plan] == [
        (0, "GBPUSD"),
        (0, "USDJPY"),
        (500, "USDJPY"),
        (1_000, "GBPUSD"),
        (31_000, "GBPUSD"),
    ]
    assert {s.due_ms for s in schedule(files, speed=0, max_gap_s=30)} == {0}


async def test_a_replay_reaches_clients_with_its_own_times(tmp_path: Path) -> None:
    path = write(
        tmp_path / "usdjpy-t.csv",
        "timestamp,bid,ask",
        "2013-01-01 22:00:00.295000+00:00,86.655,86.728",
        "2013-01-01 22:00:30.295000+00:00,86.701,86.728",
    )
    with running(tmp_path / "sim", "--quotes", "none") as process:
        peer = SimulatorPeer(process)
        await peer.open()
        async with session(peer) as watch:
            await watch.server.subscribe_quotes(["USDJPY"])
            summary = await replay(load([path]), url=process.url, speed=100)
            assert (summary.ticks, summary.symbols) == (2, ("USDJPY",))
            assert 0.3 <= summary.elapsed_s < 5
            await watch.until(lambda: watch.told(Quote)[-1].bid == Decimal("86.701"))
            assert watch.told(Quote)[-1].source_ms == 1_357_077_630_295
        await peer.close()
    with pytest.raises(UnavailableError):
        await replay(load([path]), url=process.url, speed=0)


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/quotes is not there")
async def test_real_quotes_are_read_whole_and_fed(tmp_path: Path) -> None:
    files = load([SHARED])
    assert [(f.symbol, len(f.ticks), f.skipped_rows, f.unpaired_minutes) for f in files] == [
        ("GBPUSD", 4 * 30_117, 0, 0),
        ("USDJPY", 4 * 28_761, 0, 0),
        ("USDJPY", 1_000, 0, 0),
    ]
    assert files[0].ticks[0] == SourceTick(T0, 157_597, 157_608)
    assert files[2].ticks[-1] == SourceTick(1_357_079_713_494, 86_836, 86_854)
    with running(tmp_path / "sim") as process:
        summary = await replay(files, url=process.url, speed=0)
        assert summary.ticks == sum(len(f.ticks) for f in files)
        peer = SimulatorPeer(process)
        peer_prices = {"GBPUSD": Decimal("1.59208"), "USDJPY": Decimal("92.539")}
        await peer.open(quoted=False)
        async with session(peer) as watch:
            await watch.server.subscribe_quotes(list(peer_prices))
            await watch.until(lambda: len({q.symbol for q in watch.told(Quote)}) == 2)
            for quote in watch.told(Quote):  # the generator goes on from the last replayed price
                assert abs(quote.bid / peer_prices[quote.symbol] - 1) < Decimal("0.005")
        await peer.close()


def test_the_symbol_is_guessed_from_common_file_names() -> None:
    for name in ("GBPUSD_M1_BID.csv", "gbp-usd-ticks.csv.gz", "2012 gbp_usd.csv"):
        assert quotefiles.guess_symbol(Path(name)) == "GBPUSD"


def test_manage_replay_quotes_feeds_or_says_why_not(
    tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write(tmp_path / "eurusd.csv", "timestamp,bid,ask", "2013-01-01 22:00:00,1.1,1.2")
    bad = write(tmp_path / "usdjpy.csv", "timestamp,bid,ask", "2013-01-01 22:00:00,1.3,1.2")
    with running(tmp_path / "sim", "--quotes", "none") as process:
        settings.SIM_URL = process.url
        call_command("replay_quotes", str(good))
        assert "fed 1 quotes of EURUSD" in capsys.readouterr().out
        with pytest.raises(CommandError, match=r"line 2: ask 1\.2 is below bid") as refused:
            call_command("replay_quotes", str(good), str(bad))
        assert refused.value.returncode == 1
        assert capsys.readouterr().out == ""
        call_command("replay_quotes", str(good), str(bad), "--skip-bad")
        assert "1 rows skipped" in capsys.readouterr().out
    with pytest.raises(CommandError, match="no simulator answers"):
        call_command("replay_quotes", str(good))


def test_the_exit_status_of_manage_replay_quotes_tells(tmp_path: Path) -> None:
    nobody = subprocess.run(
        [sys.executable, "manage.py", "replay_quotes", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "DEBUG": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (nobody.returncode, "replay_no_files" in nobody.stderr) == (1, True)
