"""Catalogues are compiled without GNU gettext, and only when they changed."""

from __future__ import annotations

import gettext
import shutil
from pathlib import Path

from scripts.launcher import locales


def test_a_compiled_catalogue_says_what_its_source_says(tmp_path: Path) -> None:
    for source in locales.catalogues():
        folder = tmp_path / source.parents[1].name / "LC_MESSAGES"
        folder.mkdir(parents=True)
        copy = Path(shutil.copy(source, folder))
        locales.compile_one(copy)
        with copy.with_suffix(".mo").open("rb") as compiled:
            said = gettext.GNUTranslations(compiled).gettext("Fee statement")
        assert said != "Fee statement"
        assert [path.name for path in folder.iterdir() if path.name.endswith(".new")] == []


def test_there_is_a_catalogue_for_arabic_and_simplified_chinese() -> None:
    assert {path.parents[1].name for path in locales.catalogues()} >= {"ar", "zh_Hans"}
