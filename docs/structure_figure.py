"""Draw the rooms of the core with an arrow for each import between two of them, from the files as they are.

python docs/structure_figure.py
"""

import sys
from pathlib import Path

from drawing import INK, Drawing

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "integration_tests"))

from source import FLOORS, import_graph, reached, room  # noqa: E402

VOCABULARY = "vocabulary"
WIDTH, HEIGHT, GAP = 118.0, 32.0, 30.0

COLUMNS = {
    "plugins": 0.0,
    "recipes": 0.2,
    "vocabulary": 0.5,
    "training": 0.8,
    "interfaces": 1.0,
    "data": 1.6,
    "api": 1.6,
    "kernels": 2.0,
    "inference": 2.2,
    "pages": 2.2,
    "comparison": 2.2,
    "nn": 3.0,
    "cli": 3.4,
    "__main__": 3.4,
    "drawing": 4.0,
    "std": 4.2,
}
"""Place of each room from left to right, so that no arrow passes behind a box."""


def main() -> None:
    """Write the picture beside the others of the site."""
    place = Path(__file__).parent / "_static/structure.svg"
    place.write_text(str(rooms()), encoding="utf-8")


def edges() -> dict[str, set[str]]:
    """Return each room with the rooms that it imports directly; the light modules are one room."""
    light = {*FLOORS[0]}
    found: dict[str, set[str]] = {VOCABULARY: set()} | {one: set() for floor in FLOORS[1:] for one in floor}
    for module, others in import_graph(ROOT / "packages/armillary").items():
        above = room(module)
        if above is not None and above not in light:
            below = {VOCABULARY if name in light else name for name in map(room, others) if name is not None}
            found[above] |= below - {above}
    return found


def shortest(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the same graph without the imports that lead to a room reached through another one, too."""
    ends = reached(graph)
    return {one: {b for b in below if not any(b in ends[c] for c in below - {b})} for one, below in graph.items()}


def heights(graph: dict[str, set[str]]) -> dict[str, int]:
    """Return the length of the longest way down from each room."""
    found: dict[str, int] = {}
    while len(found) < len(graph):
        for one, below in graph.items():
            if below <= found.keys():
                found.setdefault(one, 1 + max((found[b] for b in below), default=-1))
    return found


def rooms() -> Drawing:
    """Rooms as boxes, each above what it imports; arrows to the nearest rooms."""
    graph = edges()
    level = heights(graph)
    pitch = HEIGHT + GAP
    top = 8 + HEIGHT / 2 + max(level.values()) * pitch
    middle = {one: (76 + COLUMNS[one] * 150, top - level[one] * pitch) for one in graph}
    sheet = Drawing(
        782, top + HEIGHT / 2 + 8, title="Rooms of the core: an arrow leads from a room to one that it imports"
    )
    for one, below in shortest(graph).items():
        for other in sorted(below):
            (x, y), (u, v) = middle[one], middle[other]
            sheet.arrow((x, y + HEIGHT / 2), (u, v - HEIGHT / 2), colour="#999", width=1.5)
    for one, (x, y) in middle.items():
        corners = [(x + a * WIDTH / 2, y + b * HEIGHT / 2) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        sheet.path(corners, closed=True, fill="#eef3fb").text((x, y + 6), one, colour=INK, size=18.0)
    return sheet


if __name__ == "__main__":
    main()
