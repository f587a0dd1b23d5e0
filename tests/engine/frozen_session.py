"""python -m tests.engine.frozen_session CONNINFO STATEMENT: executes a statement in a transaction,
says "holding", freezes (SIGSTOP); after SIGCONT says "went on", or "fenced" when its session is
gone."""

from __future__ import annotations

import os
import signal
import sys

import psycopg


def main(conninfo: str, statement: str) -> None:
    connection = psycopg.connect(conninfo)
    connection.execute(statement.encode())
    sys.stdout.write("holding\n")
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGSTOP)
    try:
        connection.execute("SELECT 1")
        sys.stdout.write("went on\n")
    except psycopg.OperationalError:
        sys.stdout.write("fenced\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
