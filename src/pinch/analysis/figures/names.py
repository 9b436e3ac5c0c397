"""Pure: where names stand beside their points, so that none lies over another name, a point or an interval.

In: places in points of the page (1/72 inch, y upwards). Out: the offset of every name's middle from its point.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LETTER = 0.66
"""Width of a letter of the figures' typeface, at most, in sizes."""

RADIUS = 4.0
"""Half of what a point takes up."""

DIRECTIONS = ((1, 0), (1, 1), (1, -1), (-1, 0), (-1, 1), (-1, -1), (0, 1), (0, -1))
"""Right of the point is best, then left, then above and below, where intervals are."""

FAR = (0, 8, 16, 24)
"""Steps away from the point, in points of the page."""


@dataclass(frozen=True)
class Place:
    """A rectangle."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: "Place") -> float:
        """The area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(0.0, width) * max(0.0, height)

    @property
    def area(self) -> float:
        return (self.right - self.left) * (self.top - self.bottom)


def beside(
    points: Sequence[tuple[float, float]], names: Sequence[str], bars: Sequence[Place], frame: Place, size: float
) -> list[tuple[float, float]]:
    """Offsets of the names' middles from their points: for one name after the other the first place that covers nothing
    and lies in the frame, else the one that covers least. `bars` are intervals that have no point of their own."""
    taken = [Place(x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS) for x, y in points] + list(bars)
    offsets = []
    for (x, y), name in zip(points, names, strict=True):
        width, height = LETTER * size * len(name), 1.1 * size
        best, least = (0.0, 0.0), float("inf")
        for dx, dy in _offsets(width, height):
            there = Place(x + dx - width / 2, y + dy - height / 2, x + dx + width / 2, y + dy + height / 2)
            cost = sum(there.overlap(other) for other in taken) + 4 * (there.area - there.overlap(frame))
            if cost < least - 1e-9:
                best, least = (dx, dy), cost
        offsets.append(best)
        dx, dy = best
        taken.append(Place(x + dx - width / 2, y + dy - height / 2, x + dx + width / 2, y + dy + height / 2))
    return offsets


def _offsets(width: float, height: float) -> Iterator[tuple[float, float]]:
    """The nearest places first."""
    for far in FAR:
        for right, up in DIRECTIONS:
            yield right * (RADIUS + 1 + width / 2 + far * (up == 0)), up * (RADIUS + height / 2 + far)
