"""The gallery: its page quotes the report beside it word for word, and shows every picture that is there."""

import html
import re
from pathlib import Path

import pytest

GALLERY = Path(__file__).resolve().parents[1] / "docs" / "gallery"
PAGE = (GALLERY / "README.md").read_text(encoding="utf-8")


def quotes() -> list[str]:
    return [line.removeprefix("> ") for line in PAGE.split("\n") if line.startswith("> ")]


def test_there_are_quotes_for_every_question() -> None:
    assert len(quotes()) >= 12


@pytest.mark.parametrize("quote", quotes(), ids=lambda quote: quote[:40])
def test_quotes_stand_in_the_report(quote: str) -> None:
    report = html.unescape((GALLERY / "report.md").read_text(encoding="utf-8").replace("\\", ""))
    assert quote in report


def test_every_picture_is_shown_and_there() -> None:
    shown = re.findall(r"\]\(([\w-]+\.png)\)", PAGE)
    assert sorted(shown) == sorted(path.name for path in GALLERY.glob("*.png"))


def test_links_of_the_report_lead_somewhere() -> None:
    for page in ("README.md", "report.md"):
        for address in re.findall(r"\]\(([^)#]+)\)", (GALLERY / page).read_text(encoding="utf-8")):
            assert (GALLERY / address).exists(), (page, address)
