"""Copy the figures and numbers of an analysis into the documentation, small enough to be kept there.

    python scripts/gallery.py multirun/gallery/analysis docs/gallery

Pictures get a palette of 256 colours, which nobody can tell from the original and which takes a third of the space. Beside
them go report.md and the tables up to 100 kB; the report's links to larger ones become plain text. What an earlier run left
there is removed, README.md excepted.
"""

import re
import shutil
import sys
from pathlib import Path

from PIL import Image

LARGEST = 100_000
"""Bytes of a table that is copied."""


def main(source: Path, target: Path) -> None:
    """Copies, and says how much it is."""
    if not (source / "report.md").exists():
        raise SystemExit(f"{source}: no report.md there; run python analyze.py first")
    target.mkdir(parents=True, exist_ok=True)
    for old in target.iterdir():
        if old.name != "README.md":
            old.unlink()
    for picture in sorted(source.glob("*.png")):
        with Image.open(picture) as image:
            image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(target / picture.name, optimize=True)
    for table in sorted(source.glob("*.csv")):
        if table.stat().st_size <= LARGEST:
            shutil.copyfile(table, target / table.name)
    report = (source / "report.md").read_text(encoding="utf-8")
    (target / "report.md").write_text(
        re.sub(r"\[([^\]]+)\]\(([^)]+)\)", lambda link: kept(link, target), report), "utf-8"
    )
    size = sum(path.stat().st_size for path in target.iterdir())
    print(f"{target}: {len(list(target.iterdir()))} files, {size / 1e6:.1f} MB")


def kept(link: re.Match[str], target: Path) -> str:
    """A link to a file that is there as it is, to any other as its text."""
    address = link[2]
    return link[0] if address.startswith(("http", "#")) or (target / address).exists() else link[1]


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
