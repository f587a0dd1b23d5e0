"""The development mail box speaks SMTP over a real socket and loses nothing."""

from __future__ import annotations

import email
import email.policy
import re
import smtplib
import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_message_with_an_attachment_and_a_bcc_arrives_whole(tmp_path: Path) -> None:
    sink = subprocess.Popen(
        [sys.executable, "-m", "scripts.launcher.mailsink", "--port", "0", "--folder", tmp_path],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with sink:
        try:
            assert sink.stdout is not None
            found = re.search(r"127\.0\.0\.1:(\d+)", sink.stdout.readline())
            assert found is not None
            message = EmailMessage()
            message["From"], message["To"] = "fees@acme.example", "ann@example.org"
            message["Subject"] = "Fee statement – March"
            message.set_content("Attached.\n.\nA line with one dot is above.\n")
            pdf = bytes(range(256)) * 100
            message.add_attachment(
                pdf, maintype="application", subtype="pdf", filename="statement.pdf"
            )
            with smtplib.SMTP("127.0.0.1", int(found[1]), timeout=10) as client:
                client.send_message(message, to_addrs=["ann@example.org", "audit@acme.example"])
        finally:
            sink.terminate()
    assert sink.returncode == 0
    (kept,) = tmp_path.glob("*.eml")
    read = email.message_from_bytes(kept.read_bytes(), policy=email.policy.default)
    assert read["Subject"] == "Fee statement – March"
    assert read.get_all("X-Envelope-To") == ["ann@example.org", "audit@acme.example"]
    body = read.get_body()
    assert body is not None
    assert "\r\n.\r\n" in body.get_content()
    (attachment,) = read.iter_attachments()
    assert attachment.get_content() == pdf
