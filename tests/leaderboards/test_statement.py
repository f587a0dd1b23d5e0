"""A real MetaTrader 4 statement: every row read, every figure found again, damage named."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.models import AuditEntry, Master
from apps.core.errors import ConflictError, InputError
from apps.leaderboards.importing import read, store
from apps.leaderboards.models import TrackedTrade, TrackRecord
from apps.leaderboards.performance import PastRecord, PastTrade, of_records
from apps.leaderboards.statements.check import compare
from apps.leaderboards.statements.mt4 import parse
from tenants.door import broker_schema
from tenants.models import Broker
from tests.factories import master, person


@pytest.fixture
def path(shared_data: Path) -> Path:
    return shared_data / "statements" / "mt4-detailed-2018.htm"


@pytest.fixture
def data(path: Path) -> bytes:
    return path.read_bytes()


@pytest.fixture
def alpha(in_acme: Broker) -> Master:
    return master(person("manager"))


def code_of(data: bytes) -> tuple[str, str]:
    with pytest.raises(InputError) as caught:
        read(data)
    return caught.value.code, caught.value.message


def test_every_row_is_read(data: bytes) -> None:
    statement = parse(data)
    assert (statement.account, statement.currency, statement.leverage) == ("1000001", "USD", 100)
    counts = map(len, (statement.closed, statement.cancelled, statement.open, statement.working))
    assert list(counts) == [23, 2, 1, 0]
    first = statement.closed[0]
    assert (first.ticket, first.side, first.symbol) == (20895680, "sell", "GBPUSD")
    assert (first.lots, first.open_price, first.close_price) == (
        Decimal("0.10"),
        Decimal("1.35668"),
        Decimal("1.35664"),
    )
    assert (first.profit, first.note, str(first.closed_at)) == (
        Decimal("0.40"),
        "[sl]",
        "2018-05-14 21:30:23",
    )
    assert statement.cancelled[1].ticket == 21301316
    assert statement.open[0].net == Decimal("-13.37")


def test_every_figure_of_the_summary_is_found_again_from_the_rows(data: bytes) -> None:
    lines = {line.label: line for line in compare(parse(data))}
    assert all(line.agrees and line.recomputed for line in lines.values())
    figures = {label: lines[label].recomputed for label in lines}
    assert figures["Closed Trade P/L:"] == "88.72"
    assert figures["Balance:"] == "1088.72"
    assert figures["Equity:"] == "1075.35"
    assert figures["Gross Profit:"] == "334.11"
    assert figures["Gross Loss:"] == "245.39"
    assert figures["Profit Factor:"] == "1.36"
    assert figures["Maximal Drawdown:"] == "132.55 (12.07%)"
    printed = set(parse(data).summary) - {"Margin:"}  # needs leverage rules no row holds
    assert printed <= set(lines)


def test_profits_from_prices_alone_are_the_same_cents(data: bytes) -> None:
    results = {price.trade.ticket: price for price in read(data).prices}
    by_result = dict.fromkeys(("agrees", "differs", "needs_rate", "not_fx"), 0)
    for price in results.values():
        by_result[price.result] += 1
    assert by_result == {"agrees": 17, "differs": 0, "needs_rate": 6, "not_fx": 0}
    assert results[21364131].profit == Decimal("-12.09")  # USDJPY, at its own closing price
    assert {p.trade.symbol for p in results.values() if p.result == "needs_rate"} == {
        *("EURJPY", "CHFJPY", "EURAUD", "EURCHF", "EURCAD")
    }


@pytest.mark.parametrize("share", [0.05, 0.3, 0.55, 0.8, 0.97, 0.999])
def test_a_truncated_file_is_refused_wherever_it_is_cut(data: bytes, share: float) -> None:
    code, message = code_of(data[: int(len(data) * share)])
    assert code.startswith("statement_")
    assert re.search(r"[Ll]ine \d+|missing|MetaQuotes", message)


@pytest.mark.parametrize(
    ("old", "new", "code", "named"),
    [
        (b"<b>334.11</b>", b"<b>334.12</b>", "statement_disagrees", "Gross Profit"),
        (b">-7.20</td></tr>", b">-7.2O</td></tr>", "statement_number", "ticket 20906514"),
        (b"2018.05.15 21:35:15", b"2018.05.35 21:35:15", "statement_time", "ticket 21027329"),
        (b"<td>buy</td>", b"<td>bye</td>", "statement_row_unknown", "ticket 20906514"),
        (b">20906514<", b">20895832<", "statement_ticket_twice", "ticket 20895832"),
        (b"MetaQuotes Software", b"Somebody", "statement_not_mt4", "MetaTrader 4"),
        (b"<b>Working Orders:</b>", b"<b>Working:</b>", "statement_", "Working"),
        (b"1 088.72", b"1 188.72", "statement_disagrees", "Equity"),
    ],
)
def test_a_damaged_file_is_refused_by_name_and_stores_nothing(
    alpha: Master, data: bytes, old: bytes, new: bytes, code: str, named: str
) -> None:
    assert old in data
    with pytest.raises(InputError) as caught:
        store(read(data.replace(old, new, 1)), alpha)
    assert caught.value.code.startswith(code)
    assert named in caught.value.message
    assert not TrackRecord.objects.exists()
    assert not TrackedTrade.objects.exists()


def test_a_profit_that_its_prices_do_not_give_is_refused_though_the_totals_agree(
    alpha: Master, data: bytes
) -> None:
    """Move ten dollars from one trade to another: every total stays."""
    forged = data.replace(b">108.00</td></tr>", b">98.00</td></tr>", 1)
    forged = forged.replace(b">12.10</td></tr>", b">22.10</td></tr>", 1)
    reading = read(forged)
    named = [line for line in reading.disagreements if line.startswith("ticket")]
    assert [line.split()[1] for line in named] == ["20895832", "21027329"]
    with pytest.raises(InputError):
        store(reading, alpha)


def test_the_same_file_twice_changes_nothing(alpha: Master, data: bytes) -> None:
    first, is_new = store(read(data), alpha)
    again, is_new_again = store(read(data), alpha)
    assert (is_new, is_new_again, again.pk) == (True, False, first.pk)
    assert TrackedTrade.objects.count() == 26
    assert AuditEntry.objects.filter(action="track_record.import").count() == 1


def test_a_statement_belongs_to_one_master_and_its_trades_count_once(
    alpha: Master, data: bytes
) -> None:
    store(read(data), alpha)
    other = master(person("manager"), "Beta")
    with pytest.raises(ConflictError) as same_file:
        store(read(data), other)
    changed = data.replace(b"Demo Manager", b"Demo Manages")
    with pytest.raises(ConflictError) as same_account:
        store(read(changed), other)
    with pytest.raises(ConflictError) as overlap:
        store(read(changed), alpha)
    codes = [caught.value.code for caught in (same_file, same_account, overlap)]
    assert codes == [*["statement_of_another_master"] * 2, "statement_overlaps"]


@pytest.mark.parametrize("encoding", ["windows-1252", "utf-16", "utf-8-sig"])
def test_other_encodings_read_the_same(data: bytes, encoding: str) -> None:
    assert parse(data.decode().encode(encoding)) == parse(data)


def test_deposits_inside_the_file_explain_the_balance(data: bytes) -> None:
    line = (
        b'<tr align=right><td title="Deposit">20800000</td><td class=msdate nowrap>2018.05.14'
        b" 10:00:00</td><td>balance</td><td colspan=10 align=left>Deposit</td>"
        b"<td class=mspt>1 000.00</td></tr>\n"
    )
    at = data.index(b'<tr align=right><td title="[sl]">20895680')
    with_deposit = data[:at] + line + data[at:]
    with_deposit = with_deposit.replace(
        b"Deposit/Withdrawal:</b></td>\n    <td colspan=2 class=mspt><b>0.00",
        b"Deposit/Withdrawal:</b></td>\n    <td colspan=2 class=mspt><b>1 000.00",
    )
    reading = read(with_deposit)
    assert reading.statement.flows[0].amount == Decimal("1000.00")
    balance = next(line for line in reading.figures if line.label == "Balance:")
    assert (balance.agrees, balance.note) == (True, "opening balance 0.00")


def test_the_command_prints_both_sides_and_its_status_tells(
    acme: Broker, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run outside every schema, as from a shell: the command enters the broker's itself."""
    with broker_schema("acme"):
        alpha = master(person("manager"))
    args = ("--broker", "acme", "--master")
    call_command("import_statement", str(path), *args, "Alpha", "--dry-run")
    with broker_schema("acme"):
        assert not TrackRecord.objects.exists()
    call_command("import_statement", str(path), *args, str(alpha.public_id))
    shown = capsys.readouterr().out
    assert re.search(r"Maximal Drawdown +132\.55 \(12\.07%\) +132\.55 \(12\.07%\)", shown)
    assert "17 to the same cent, 0 different; 6 crosses" in shown
    assert "Stored 23 closed trades" in shown
    call_command("import_statement", str(path), *args, "Alpha")
    assert "nothing changed" in capsys.readouterr().out
    bad = tmp_path / "cut.htm"
    bad.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(CommandError, match="statement_truncated"):
        call_command("import_statement", str(bad), *args, "Alpha")
    with pytest.raises(CommandError, match="master_unknown"):
        call_command("import_statement", str(path), *args, "Nobody")
    with pytest.raises(CommandError, match="broker_unknown"):
        call_command("import_statement", str(path), "--broker", "nobody", "--master", "Alpha")


def test_the_drawdown_of_the_record_is_the_statements_own(data: bytes) -> None:
    statement = parse(data)
    trades = [
        PastTrade(t.ticket, t.opened_at, t.closed_at, t.net)
        for t in statement.closed
        if t.closed_at
    ]
    performance = of_records([PastRecord(Decimal(1000), trades, [])])
    assert performance is not None
    assert round(performance.max_drawdown, 4) == -0.1207
    assert performance.profit_factor == pytest.approx(334.11 / 245.39)
    assert performance.win_rate == pytest.approx(10 / 23)
    assert performance.sparkline[-1] == pytest.approx(1.08872, abs=1e-6)
