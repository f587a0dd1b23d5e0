"""A mail box for development: real SMTP on 127.0.0.1, every message a file under var/mail/.

python -m scripts.launcher.mailsink --port 8025 --folder var/mail
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import time
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

MESSAGE_BYTES_MAX = 20_000_000


class Folder:
    """aiosmtpd handler: one .eml a message, named by arrival, written whole or not at all.

    The envelope goes on top as X-Envelope-From and X-Envelope-To: a Bcc is only there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        self.count += 1
        content = envelope.content or b""
        body = content if isinstance(content, bytes) else content.encode()
        head = [f"X-Envelope-From: {envelope.mail_from}"]
        head += [f"X-Envelope-To: {address}" for address in envelope.rcpt_tos]
        name = f"{time.time_ns() // 1000}-{self.count:04d}.eml"
        half = self.folder / f".{name}.new"
        half.write_bytes("\r\n".join(head).encode() + b"\r\n" + body)
        half.rename(self.folder / name)
        print(f"{name}: to {', '.join(envelope.rcpt_tos)}", flush=True)
        return "250 2.0.0 kept"


async def serve(port: int, folder: Path) -> None:
    """Listen until SIGTERM or SIGINT. Prints `listening on 127.0.0.1:PORT` when it does."""
    handler = Folder(folder)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, data_size_limit=MESSAGE_BYTES_MAX, enable_SMTPUTF8=True),
        "127.0.0.1",
        port,
    )
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    actual = server.sockets[0].getsockname()[1]
    print(f"listening on 127.0.0.1:{actual}, messages go to {folder}", flush=True)
    await stopped.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8025, help="0 picks a free one")
    parser.add_argument("--folder", type=Path, default=Path("var/mail"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(serve(options.port, options.folder))


if __name__ == "__main__":
    main()
