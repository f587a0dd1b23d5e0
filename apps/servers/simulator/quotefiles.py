"""Quote files: M1 bid and ask pairs, and ticks; .csv or .csv.gz, UTC, with a header line.

ticks   timestamp,bid,ask
M1      timestamp,open,high,low,close – one file of bids and one of asks, whose names differ only
        in `bid` / `ask`; only minutes that both have are played (the others are counted)
Timestamps are ISO 8601 (without an offset: UTC), strictly rising in M1 files and never falling in
tick files. Prices lie on the symbol's grid. Limits: 5,000,000 rows a file, read into memory.

A bar becomes four ticks: its open, its extremes (low first when it closed at or above its open,
else high first) and its close, at 0, 20, 40 and 59 s of the minute. Real bid and ask bars cross
now and then, because their extremes need not be of one instant: such a tick is played with
ask = bid, and counted.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO, NamedTuple, TypeVar, cast

from apps.core.errors import InputError, ProrataError
from apps.servers.simulator.symbols import SYMBOLS
from apps.servers.types import SymbolSpec

MAX_ROWS = 5_000_000
BAR_HEADER = ["timestamp", "open", "high", "low", "close"]
TICK_HEADER = ["timestamp", "bid", "ask"]
TICK_AT_MS = (0, 20_000, 40_000, 59_000)

T = TypeVar("T")


class SourceTick(NamedTuple):
    source_ms: int
    bid: int  # points
    ask: int


class _BarRow(NamedTuple):
    source_ms: int
    open: int
    high: int
    low: int
    close: int


@dataclass(slots=True)
class QuoteFile:
    """What one tick file, or one pair of M1 files, holds."""

    symbol: str
    paths: tuple[Path, ...]
    ticks: list[SourceTick]
    skipped_rows: int = 0
    unpaired_minutes: int = 0
    crossed_ticks: int = 0


@dataclass(slots=True)
class _Rows:
    """Counts while reading one file."""

    skip_bad: bool
    skipped: int = field(default=0)


def load(
    paths: Sequence[Path], *, symbol: str | None = None, skip_bad: bool = False
) -> list[QuoteFile]:
    """Reads files and directories; nothing is returned unless every file is good.

    Raises InputError: replay_no_files, replay_symbol_unknown, replay_header, replay_pair_missing,
    replay_bad_row (details: file, line; with `skip_bad` such rows are left out and counted),
    replay_too_long, replay_unreadable.
    """
    files = _files(paths)
    loaded: list[QuoteFile] = []
    waiting = dict.fromkeys(files)
    while waiting:
        path = next(iter(waiting))
        del waiting[path]
        spec = SYMBOLS[symbol or guess_symbol(path)]
        header = _header(path)
        if header == TICK_HEADER:
            loaded.append(_load_ticks(spec, path, skip_bad))
        elif header == BAR_HEADER:
            bid_path, ask_path = _pair(path)
            waiting.pop(bid_path, None)
            waiting.pop(ask_path, None)
            loaded.append(_load_pair(spec, bid_path, ask_path, skip_bad))
        else:
            raise InputError(
                "replay_header",
                f"{path}, line 1: the header is neither {','.join(TICK_HEADER)} nor"
                f" {','.join(BAR_HEADER)}",
                file=str(path),
                line=1,
            )
    return loaded


def guess_symbol(path: Path) -> str:
    """The one symbol whose name the file's name contains. InputError `replay_symbol_unknown`."""
    letters = re.sub(r"[^A-Z]", "", path.name.upper())
    found = [name for name in SYMBOLS if name in letters]
    if len(found) != 1:
        raise InputError(
            "replay_symbol_unknown",
            f"{path}: the name tells no single symbol of {', '.join(SYMBOLS)}; say --symbol",
            file=str(path),
        )
    return found[0]


def expand(bid: _BarRow, ask: _BarRow) -> Iterator[SourceTick]:
    """The four ticks of one minute."""
    rising = bid.close >= bid.open
    bids = (bid.open, bid.low if rising else bid.high, bid.high if rising else bid.low, bid.close)
    asks = (ask.open, ask.low if rising else ask.high, ask.high if rising else ask.low, ask.close)
    for after_ms, bid_points, ask_points in zip(TICK_AT_MS, bids, asks, strict=True):
        yield SourceTick(bid.source_ms + after_ms, bid_points, ask_points)


def _files(paths: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [p for p in path.iterdir() if p.name.endswith((".csv", ".csv.gz"))]
            files.extend(sorted(inside))
        else:
            files.append(path)
    if not files:
        raise InputError("replay_no_files", "there is no .csv or .csv.gz file to replay")
    return list(dict.fromkeys(files))


def _load_ticks(spec: SymbolSpec, path: Path, skip_bad: bool) -> QuoteFile:
    rows = _Rows(skip_bad)
    ticks = _read(path, TICK_HEADER, rows, lambda values: _tick(spec, values), 0)
    return QuoteFile(spec.name, (path,), ticks, rows.skipped)


def _load_pair(spec: SymbolSpec, bid_path: Path, ask_path: Path, skip_bad: bool) -> QuoteFile:
    sides = []
    skipped = 0
    for path in (bid_path, ask_path):
        rows = _Rows(skip_bad)
        bars = _read(path, BAR_HEADER, rows, lambda values: _bar(spec, values), 1)
        sides.append({bar.source_ms: bar for bar in bars})
        skipped += rows.skipped
    bids, asks = sides
    minutes = sorted(bids.keys() & asks.keys())
    ticks = [tick for minute in minutes for tick in expand(bids[minute], asks[minute])]
    return QuoteFile(
        spec.name,
        (bid_path, ask_path),
        [SourceTick(t.source_ms, t.bid, max(t.bid, t.ask)) for t in ticks],
        skipped,
        len(bids.keys() ^ asks.keys()),
        sum(t.ask < t.bid for t in ticks),
    )


def _pair(path: Path) -> tuple[Path, Path]:
    """(bid file, ask file) of an M1 file. InputError `replay_pair_missing`."""
    match = re.search(r"(?<![a-z])(bid|ask)(?![a-z])", path.name, re.IGNORECASE)
    if match is not None:
        start, end = match.span()
        word = match.group().lower()
        other_word = "ask" if word == "bid" else "bid"
        if match.group().isupper():
            other_word = other_word.upper()
        other = path.with_name(path.name[:start] + other_word + path.name[end:])
        if other.is_file():
            return (path, other) if word == "bid" else (other, path)
    raise InputError(
        "replay_pair_missing",
        f"{path}: M1 bars need a bid and an ask file whose names differ only in bid/ask",
        file=str(path),
    )


def _open(path: Path) -> IO[str]:
    if path.name.endswith(".gz"):
        return cast("IO[str]", gzip.open(path, "rt", encoding="utf-8", newline=""))
    return path.open(encoding="utf-8", newline="")


def _header(path: Path) -> list[str]:
    try:
        with _open(path) as stream:
            return [name.strip().lower() for name in next(csv.reader(stream), [])]
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, error) from error


def _read(
    path: Path,
    header: list[str],
    rows: _Rows,
    parse: Callable[[list[str]], T],
    least_step_ms: int,
) -> list[T]:
    """Every row after the header, parsed and in order of time."""
    found: list[T] = []
    last_ms = -1
    try:
        with _open(path) as stream:
            reader = csv.reader(stream)
            next(reader, None)
            for values in reader:
                if len(found) >= MAX_ROWS:
                    raise InputError("replay_too_long", f"{path}: over {MAX_ROWS} rows")
                try:
                    if len(values) != len(header):
                        raise ValueError(f"{len(values)} fields instead of {len(header)}")
                    row = parse(values)
                    at_ms = cast("tuple[int, ...]", row)[0]
                    if at_ms < last_ms + least_step_ms:
                        raise ValueError("its time is not after the row before")
                except (ValueError, InvalidOperation, ProrataError) as error:
                    _bad_row(path, reader.line_num, error, rows)
                    continue
                last_ms = at_ms
                found.append(row)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, error) from error
    return found


def _bad_row(path: Path, line: int, error: Exception, rows: _Rows) -> None:
    if rows.skip_bad:
        rows.skipped += 1
        return
    why = "not a number" if isinstance(error, InvalidOperation) else str(error)
    raise InputError(
        "replay_bad_row", f"{path}, line {line}: {why}", file=str(path), line=line
    ) from error


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError("replay_unreadable", f"{path} cannot be read: {error}", file=str(path))


def _time_ms(text: str) -> int:
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = int(moment.replace(microsecond=0).timestamp())
    return seconds * 1000 + moment.microsecond // 1000


def _points(spec: SymbolSpec, text: str) -> int:
    points = spec.to_points(Decimal(text.strip()))
    if points <= 0:
        raise ValueError(f"price {text} is not positive")
    return points


def _tick(spec: SymbolSpec, values: list[str]) -> SourceTick:
    tick = SourceTick(_time_ms(values[0]), _points(spec, values[1]), _points(spec, values[2]))
    if tick.ask < tick.bid:
        raise ValueError(f"ask {values[2]} is below bid {values[1]}")
    return tick


def _bar(spec: SymbolSpec, values: list[str]) -> _BarRow:
    bar = _BarRow(_time_ms(values[0]), *(_points(spec, text) for text in values[1:]))
    if bar.source_ms % 60_000:
        raise ValueError(f"{values[0]} is not the start of a minute")
    if bar.high < max(bar.open, bar.close) or bar.low > min(bar.open, bar.close):
        raise ValueError("high or low do not enclose open and close")
    return bar
