"""What is said when a system library is missing and we may not install it."""

from __future__ import annotations

import os

import pytest

from scripts.launcher import packages


def test_without_pango_a_normal_user_gets_the_one_apt_line_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setitem(packages._LIBRARIES, "libnowhere.so.0", "libnowhere0")
    monkeypatch.setattr(packages, "_FONTS", {})
    packages.ensure_for_documents()
    (said,) = capsys.readouterr().err.splitlines()
    assert "no PDF can be made" in said
    assert said.endswith("sudo apt-get install -y --no-install-recommends libnowhere0")


def test_what_is_there_is_not_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packages, "_LIBRARIES", {"libc.so.6": "libc6"})
    monkeypatch.setattr(packages, "_FONTS", {})
    packages.ensure_for_documents()
    assert capsys.readouterr().err == ""
