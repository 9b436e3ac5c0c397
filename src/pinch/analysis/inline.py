"""Pure: what stands in the report's page as it is: drawings as SVG inside HTML, and data as JSON inside a script.

In: SVG texts that matplotlib wrote, and plain values. Out: markup that nothing in it can break out of. Colours become
variables of the page, so that one drawing serves the light and the dark page; letters are taken out, so that all drawings
share them; the names of everything else are made the drawing's own.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any
from xml.etree import ElementTree as Xml

from markupsafe import Markup

from pinch.analysis.figures.style import DARK, LIGHT, Theme

HREF = "{http://www.w3.org/1999/xlink}href"
REFERENCE = re.compile(r"^#(.+)$|url\(#([^)]+)\)")
LETTER = re.compile(r".+-[0-9a-f]+")
"""The name of a letter's shape: font and number. All other names that matplotlib gives have no hyphen."""

COLOURS = {getattr(LIGHT, one.name): f"var(--f-{one.name})" for one in fields(Theme)}
LEFT_OUT = {"metadata", "style"}


@dataclass(frozen=True)
class Drawing:
    """A drawing without its letters, and their shapes by name."""

    markup: Markup
    letters: dict[str, Markup]


def drawing(svg: str, name: str, label: str, kind: str = "") -> Drawing:
    """An SVG text for the page. `name` must be no other drawing's, `label` is what a screen reader says, `kind` a class."""
    root = Xml.fromstring(svg)
    used = {found for node in root.iter() for value in node.attrib.values() for found in _referred(value)}
    letters: dict[str, Markup] = {}
    _tidy(root, used, name, letters)
    _, _, width, height = root.attrib["viewBox"].split()
    size = {"width": _pixels(width), "height": _pixels(height), "viewBox": root.attrib["viewBox"]}
    root.attrib.clear()
    root.attrib.update({"class": f"drawing {kind}".strip(), **size, "role": "img", "aria-label": label})
    return Drawing(Markup(Xml.tostring(root, encoding="unicode")), letters)


def letters_block(letters: Mapping[str, Markup]) -> Markup:
    """The shared letters, to be put once before all drawings; nothing without any."""
    if not letters:
        return Markup()
    return Markup('<svg class="letters" width="0" height="0" aria-hidden="true"><defs>{}</defs></svg>').format(
        Markup().join(letters.values())
    )


def theme(name: str) -> Markup:
    """The colours of drawings as variables of a style sheet; `name` is light or dark."""
    colours = {"light": LIGHT, "dark": DARK}[name]
    return Markup(" ".join(f"--f-{one.name}: {getattr(colours, one.name)};" for one in fields(Theme)))


def data(value: Any) -> Markup:
    """A value as JSON that may stand inside a script element: nothing in it ends the element or opens another. Shapes
    become objects; NaN and infinities become null."""
    text = json.dumps(_plain(value), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return Markup(text)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):  # nine digits, as in the CSV files
        return float(f"{value:.9g}") if math.isfinite(value) else None
    return value


def _referred(value: str) -> list[str]:
    return [one or other for one, other in REFERENCE.findall(value)]


def _pixels(points: str) -> str:
    """Points of print (72 an inch) as pixels of a page (96 an inch)."""
    return f"{float(points) * 96 / 72:.0f}"


def _tidy(node: Xml.Element, used: set[str], name: str, letters: dict[str, Markup]) -> None:
    """Make an element and all below it fit for the page, in place."""
    node.tag = node.tag.rpartition("}")[2]
    node.text = node.tail = None
    node.attrib.update({key: _value(key, value, name) for key, value in node.attrib.items()})
    if HREF in node.attrib:
        node.attrib["href"] = node.attrib.pop(HREF)
    for key in ("fill", "stroke"):  # a variable counts in a style only
        if node.attrib.get(key, "").startswith("var("):
            node.attrib["style"] = f"{key}:{node.attrib.pop(key)};{node.attrib.get('style', '')}"
    for child in list(node):
        known = child.attrib.get("id", "")
        _tidy(child, used, name, letters)
        if child.tag in LEFT_OUT or (child.tag == "defs" and not len(child)):
            node.remove(child)
        elif child.tag == "path" and LETTER.fullmatch(known):
            child.attrib["id"] = known
            letters[known] = Markup(Xml.tostring(child, encoding="unicode"))
            node.remove(child)
        elif known not in used:
            child.attrib.pop("id", None)
    _unwrap(node)


def _unwrap(node: Xml.Element) -> None:
    """Put what stands in groups that say nothing in the place of the groups."""
    if any(child.tag == "g" and not child.attrib for child in node):
        kept = [one for child in node for one in (child if child.tag == "g" and not child.attrib else [child])]
        node[:] = kept


def _value(key: str, value: str, name: str) -> str:
    """One attribute: names made the drawing's own, colours by variable, numbers no longer than a screen can show."""
    if key in ("d", "x", "y", "points"):
        return re.sub(r" ?([A-Za-z]) ?", r"\1", " ".join(_rounded(value, 2).split()))
    if key == "transform":
        return _rounded(value, 4 if "scale" in value else 2)
    if key in ("style", "fill", "stroke"):
        value = re.sub("|".join(COLOURS), lambda found: COLOURS[found.group()], value)
        value = value.replace("; ", ";").replace(": ", ":")
    if key == "id" or not REFERENCE.search(value):
        return f"{name}-{value}" if key == "id" else value
    return REFERENCE.sub(lambda found: _own(found, name), value)


def _own(found: re.Match[str], name: str) -> str:
    direct, inside = found.groups()
    if direct:
        return f"#{direct}" if LETTER.fullmatch(direct) else f"#{name}-{direct}"
    return f"url(#{name}-{inside})"


def _rounded(text: str, digits: int) -> str:
    def short(found: re.Match[str]) -> str:
        return f"{float(found.group()):.{digits}f}".rstrip("0").rstrip(".")

    return re.sub(r"-?\d+\.\d+(?:e-?\d+)?", short, text)


def slug(text: str) -> str:
    """A name that is fit for an id: letters, digits, underscores and hyphens."""
    return re.sub(r"[^0-9A-Za-z_]+", "-", text).strip("-") or "x"
