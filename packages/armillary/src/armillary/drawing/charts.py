"""Line charts as inline SVG, without scripts, fonts or colours: the page's style sheet sets them.

The classes: ``axis``, ``tick``, ``grid``, ``series-1`` to ``series-8``, ``raw`` (every value), ``level`` (a constant to compare
with). One unit of the picture is one CSS pixel at a width of 440, which suits a phone as it suits a column of a page.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape

import attrs

WIDTH, HEIGHT = 440, 270
LEFT, RIGHT, TOP, BOTTOM = 54, 14, 12, 40
SERIES = 8
"""Colours that the style sheet has; the ninth series begins again."""

FEW = 80
"""Points of a line that is drawn as it is; with more, as a running mean."""

MINUS = "\N{MINUS SIGN}"

Point = tuple[float, float]


@attrs.frozen
class Axes:
    """Limits of the values, and the map from a value to its place in the picture."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    log: bool

    def right(self, x: float) -> float:
        """Return the horizontal place."""
        return LEFT + (x - self.x_low) / (self.x_high - self.x_low) * (WIDTH - LEFT - RIGHT)

    def down(self, y: float) -> float:
        """Return the vertical place, clamped near the picture."""
        low, high, y = (math.log10(v) if self.log else v for v in (self.y_low, self.y_high, y))
        down = TOP + (high - y) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return min(max(down, -10.0 * HEIGHT), 10.0 * HEIGHT)

    def path(self, points: Sequence[Point]) -> str:
        """Return the line through the points, as the ``d`` of a path."""
        return "M" + "L".join(f"{self.right(x):.1f} {self.down(y):.1f}" for x, y in points)


def line_chart(
    rows: Sequence[Mapping[str, object]],
    series: Mapping[str, str],
    *,
    x: str = "step",
    x_label: str = "",
    y_label: str = "",
    levels: Mapping[str, float] | None = None,
    log: bool = False,
    title: str = "",
) -> str:
    """Return an SVG element with one line per series and axes, and a legend with the last values.

    Args:
        rows: records of numbers; a series has a point in each row where it and ``x`` are finite numbers.
        series: key in the rows to name in the legend.
        x: key of the horizontal axis.
        x_label: text below the horizontal axis; ``x`` by default.
        y_label: text along the vertical axis.
        levels: constants to compare with (baselines), drawn as dashed lines over the whole width.
        log: a logarithmic vertical axis, for values above 0; others are left out.
        title: text for screen readers.

    A series of more than 80 points is drawn twice, faint with every value and strong as a running mean. The vertical axis
    leaves out a first burst of values far above the rest, and prints its height.
    """
    found = {name: _points(rows, x, key, log=log) for key, name in series.items()}
    lines = {name: points for name, points in found.items() if points}
    if not lines:
        return '<p class="empty">No values yet.</p>'
    levels = {k: v for k, v in (levels or {}).items() if math.isfinite(v) and (v > 0 or not log)}
    points = [point for line in lines.values() for point in line]
    y_low, y_high, peak = _vertical(points, list(levels.values()), log=log)
    x_low, x_high = _opened(min(p[0] for p in points), max(p[0] for p in points))
    axes = Axes(x_low, x_high, y_low, y_high, log)
    parts = _frame(axes, x_label=x_label or x, y_label=y_label) + _drawn(axes, lines, levels)
    if peak is not None:
        text = f"up to {number(peak[1])} at {x} {number(peak[0])}"
        parts.append(_text(WIDTH - RIGHT, TOP + 12, text, anchor="end"))
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title or y_label)}">'
    return f"{head}{''.join(parts)}</svg>{_legend(lines, levels)}"


def _drawn(axes: Axes, lines: Mapping[str, Sequence[Point]], levels: Mapping[str, float]) -> list[str]:
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    box = f'x="{LEFT}" y="{TOP}" width="{width}" height="{height}" viewBox="{LEFT} {TOP} {width} {height}"'
    parts = [f"<svg {box}>"]  # an inner svg element cuts off what leaves it
    parts += [f'<path class="level" d="M{LEFT} {axes.down(value):.1f}H{WIDTH - RIGHT}"/>' for value in levels.values()]
    for index, points in enumerate(lines.values()):
        colour = f"series-{index % SERIES + 1}"
        smooth = running_mean(points)
        if smooth is not points:
            parts.append(f'<path class="raw {colour}" d="{axes.path(thinned(points))}"/>')
        parts.append(f'<path class="line {colour}" d="{axes.path(smooth)}"/>')
        if len(points) == 1:
            right, down = axes.right(points[0][0]), axes.down(points[0][1])
            parts.append(f'<circle class="dot {colour}" cx="{right:.1f}" cy="{down:.1f}" r="3"/>')
    return [*parts, "</svg>"]


def _legend(lines: Mapping[str, Sequence[Point]], levels: Mapping[str, float]) -> str:
    """Return names with the last value of each line; for a running mean, the mean of its last fortieth."""
    tails = {
        name: points[-max(1, len(points) // 40) :] if len(points) > FEW else points[-1:]
        for name, points in lines.items()
    }
    last = {name: math.fsum(p[1] for p in tail) / len(tail) for name, tail in tails.items()}
    entries = [
        f'<span><i class="key series-{index % SERIES + 1}"></i>{escape(name)} <b>{number(last[name])}</b></span>'
        for index, name in enumerate(lines)
    ]
    entries += [
        f'<span><i class="key level"></i>{escape(name)} <b>{number(v)}</b></span>' for name, v in levels.items()
    ]
    return f'<p class="legend">{"".join(entries)}</p>'


def number(value: float) -> str:
    """Return a number in at most four digits, for tables and axes."""
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: f"{MINUS}∞"}.get(value, "not a number")
    if value and (abs(value) >= 1e6 or abs(value) < 1e-4):
        return f"{value:.3g}".replace("-", MINUS)
    digits = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0
    text = f"{value:,.{digits}f}" if abs(value) >= 1e4 else f"{value:.{digits}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", MINUS)


def running_mean(points: Sequence[Point], *, few: int = FEW) -> Sequence[Point]:
    """Return the mean over a centred window of a fortieth of the points; the points themselves if they are few."""
    count = len(points)
    if count <= few:
        return points
    half = max(1, count // few)
    sums = [0.0]
    for _, value in points:
        sums.append(sums[-1] + value)
    smooth = []
    for k in range(0, count, max(1, count // 400)):
        reach = min(half, k, count - 1 - k)  # a window that leans to one side would bend the ends
        smooth.append((points[k][0], (sums[k + reach + 1] - sums[k - reach]) / (2 * reach + 1)))
    return smooth


def thinned(points: Sequence[Point], *, bins: int = 220) -> Sequence[Point]:
    """Return the lowest and the highest point of each bin, in order, so that no spike is lost."""
    if len(points) <= 2 * bins:
        return points
    kept: list[Point] = []
    for k in range(bins):
        part = points[k * len(points) // bins : (k + 1) * len(points) // bins]
        kept += sorted({min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])})
    return kept


def ticks(low: float, high: float, *, count: int = 6) -> list[float]:
    """Return about ``count`` round numbers between ``low`` and ``high``: 1, 2 or 5 times a power of ten apart."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= rough * (1.0 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return powers of ten between ``low`` and ``high``, with 2 and 5 times them if they are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    few = math.log10(high / low) < 2.5
    values = [m * 10.0**p for p in powers for m in ((1.0, 2.0, 5.0) if few else (1.0,))]
    return [v for v in values if low * (1 - 1e-9) <= v <= high * (1 + 1e-9)]


def _points(rows: Sequence[Mapping[str, object]], x: str, key: str, *, log: bool) -> list[Point]:
    points = []
    for row in rows:
        right, up = row.get(x), row.get(key)
        if not isinstance(right, int | float) or not isinstance(up, int | float):
            continue
        if math.isfinite(right) and math.isfinite(up) and (up > 0 or not log):
            points.append((float(right), float(up)))
    return sorted(points, key=lambda p: p[0])


def _opened(low: float, high: float, *, log: bool = False) -> tuple[float, float]:
    """Return the range, widened if it is a single number."""
    if high > low:
        return low, high
    if log:
        return low / 2.0, high * 2.0
    room = abs(low) / 10.0 or 1.0
    return low - room, high + room


def _vertical(points: Sequence[Point], levels: Sequence[float], *, log: bool) -> tuple[float, float, Point | None]:
    """Return limits of the vertical axis, and the point that is cut off."""
    values = sorted([p[1] for p in points])
    low, high = values[0], values[-1]
    usual = values[min(len(values) - 1, math.floor(0.97 * len(values)))]
    peak = None
    if log and len(values) > 100:
        low = values[math.ceil(0.01 * len(values))]  # a dip is deep on this axis
    elif not log and len(values) > 30 and high - low > 3.0 * (usual - low) > 0.0:
        peak = max(points, key=lambda p: p[1])
        high = usual + 0.25 * (usual - low)
    low, high = _opened(min(low, *levels, high), max(high, *levels, low), log=log)
    if log:
        return low / 1.1, high * 1.1, None
    room = 0.04 * (high - low)
    return (low if low == 0.0 else low - room), high + room, peak


def _frame(axes: Axes, *, x_label: str, y_label: str) -> list[str]:
    parts = []
    for value in (log_ticks if axes.log else ticks)(axes.y_low, axes.y_high):
        down = axes.down(value)
        parts.append(f'<path class="grid" d="M{LEFT} {down:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(_text(LEFT - 7, down + 4, number(value), anchor="end"))
    for value in ticks(axes.x_low, axes.x_high):
        parts.append(f'<path class="axis" d="M{axes.right(value):.1f} {HEIGHT - BOTTOM}v4"/>')
        parts.append(_text(axes.right(value), HEIGHT - BOTTOM + 17, number(value)))
    parts.append(f'<path class="axis" d="M{LEFT} {HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>')
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, x_label))
    if y_label:
        turned = f"translate(12 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)"
        parts.append(f'<text class="tick" transform="{turned}" text-anchor="middle">{escape(y_label)}</text>')
    return parts


def _text(right: float, down: float, text: str, *, anchor: str = "middle") -> str:
    return f'<text class="tick" x="{right:.1f}" y="{down:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
