"""Line charts as inline SVG: no script, no font, no colour of their own, so that a page's style sheet rules them.

The classes: ``axis``, ``tick``, ``grid``, ``series-1`` to ``series-8``, ``raw`` (every value), ``level`` (a constant to compare
with). One unit of the picture is one CSS pixel at a width of 440, which suits a phone as it suits a column of a page.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 440, 270
LEFT, RIGHT, TOP, BOTTOM = 54, 14, 12, 40
SERIES = 8
"""Colours that the style sheet has; the ninth series begins again."""

MINUS = "\N{MINUS SIGN}"

Point = tuple[float, float]


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
    """An SVG element with one line a series, axes, and a legend where there is more than one line.

    Args:
        rows: records of numbers; a series has a point in each row where it and ``x`` are finite numbers.
        series: key in the rows to name in the legend.
        x: key of the horizontal axis.
        x_label: text below the horizontal axis; ``x`` by default.
        y_label: text at the top of the vertical axis.
        levels: constants to compare with (baselines), drawn as dashed lines over the whole width.
        log: a logarithmic vertical axis, for values above 0; others are left out.
        title: what a screen reader says.

    A series of more than 80 points is drawn twice, faint with every value and strong as a running mean. The vertical axis
    leaves out a first burst of values far above the rest, and says how high it went.
    """
    levels = dict(levels or {})
    lines = {name: _points(rows, x, key, log=log) for key, name in series.items()}
    lines = {name: points for name, points in lines.items() if points}
    if not lines:
        return '<p class="empty">No values yet.</p>'
    levels = {name: value for name, value in levels.items() if math.isfinite(value) and (value > 0 or not log)}
    x_low, x_high = _spread(*_range([p[0] for points in lines.values() for p in points]))
    y_low, y_high, peak = _vertical(lines.values(), levels.values(), log=log)
    to_y = (lambda v: math.log10(v)) if log else (lambda v: v)
    low, high = to_y(y_low), to_y(y_high)

    def place(point: Point) -> Point:
        right = LEFT + (point[0] - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)
        down = TOP + (high - to_y(point[1])) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return right, min(max(down, TOP - 50.0), HEIGHT)

    parts = _frame(x_low, x_high, y_low, y_high, place, log=log, x_label=x_label or x, y_label=y_label)
    clip = f"clip-{abs(hash((title, tuple(lines), x_low, x_high, y_low, y_high))):x}"
    parts.append(
        f'<clipPath id="{clip}"><rect x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{HEIGHT - TOP - BOTTOM}"/></clipPath>'
    )
    parts.append(f'<g clip-path="url(#{clip})">')
    for value in levels.values():
        down = place((x_low, value))[1]
        parts.append(f'<path class="level" d="M{LEFT} {down:.1f}H{WIDTH - RIGHT}"/>')
    for index, points in enumerate(lines.values()):
        colour = f"series-{index % SERIES + 1}"
        smooth = running_mean(points)
        if smooth is not points:
            parts.append(f'<path class="raw {colour}" d="{_path(thinned(points), place)}"/>')
        parts.append(f'<path class="line {colour}" d="{_path(smooth, place)}"/>')
        if len(points) == 1:
            right, down = place(points[0])
            parts.append(f'<circle class="dot {colour}" cx="{right:.1f}" cy="{down:.1f}" r="3"/>')
    parts.append("</g>")
    if peak is not None:
        text = f"up to {number(peak[1])} at {x} {number(peak[0])}"
        parts.append(f'<text class="tick" x="{WIDTH - RIGHT}" y="{TOP + 12}" text-anchor="end">{escape(text)}</text>')
    svg = (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title or y_label)}">{"".join(parts)}</svg>'
    )
    return svg + _legend(lines, levels)


def _legend(lines: Mapping[str, Sequence[Point]], levels: Mapping[str, float]) -> str:
    """Names with the last value of each line, of its running mean where there is one."""
    last = {name: running_mean(points)[-1][1] for name, points in lines.items()}
    entries = [
        f'<span><i class="key series-{index % SERIES + 1}"></i>{escape(name)} <b>{number(last[name])}</b></span>'
        for index, name in enumerate(lines)
    ]
    entries += [
        f'<span><i class="key level"></i>{escape(name)} <b>{number(v)}</b></span>' for name, v in levels.items()
    ]
    return f'<p class="legend">{"".join(entries)}</p>'


def number(value: float) -> str:
    """A number in at most four digits, as a table or an axis shows it."""
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: f"{MINUS}∞"}.get(value, "not a number")
    if value and (abs(value) >= 1e6 or abs(value) < 1e-4):
        return f"{value:.3g}".replace("-", MINUS)
    digits = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0
    text = f"{value:,.{digits}f}" if abs(value) >= 1e4 else f"{value:.{digits}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", MINUS)


def running_mean(points: Sequence[Point], *, most: int = 80) -> Sequence[Point]:
    """The mean over a centred window of a fortieth of the points; the points themselves where they are few."""
    count = len(points)
    if count <= most:
        return points
    half = max(1, count // most)
    sums = [0.0]
    for _, value in points:
        sums.append(sums[-1] + value)
    smooth = []
    for k in range(0, count, max(1, count // 400)):
        reach = min(half, k, count - 1 - k)  # a window that leans to one side would bend the ends
        smooth.append((points[k][0], (sums[k + reach + 1] - sums[k - reach]) / (2 * reach + 1)))
    return smooth


def thinned(points: Sequence[Point], *, bins: int = 220) -> Sequence[Point]:
    """The lowest and the highest point of each bin, in order, so that no spike is lost."""
    if len(points) <= 2 * bins:
        return points
    kept: list[Point] = []
    for k in range(bins):
        part = points[k * len(points) // bins : (k + 1) * len(points) // bins]
        kept += sorted({min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])})
    return kept


def ticks(low: float, high: float, *, count: int = 6) -> list[float]:
    """About ``count`` round numbers between ``low`` and ``high``: 1, 2 or 5 times a power of ten apart."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= rough * (1.0 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten between ``low`` and ``high``, with 2 and 5 times them where they are few."""
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


def _range(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _spread(low: float, high: float, *, log: bool = False) -> tuple[float, float]:
    """The range, opened where it is a single number."""
    if high > low:
        return low, high
    if log:
        return low / 2.0, high * 2.0
    room = abs(low) / 10.0 or 1.0
    return low - room, high + room


def _vertical(lines, levels, *, log: bool) -> tuple[float, float, Point | None]:
    """Limits of the vertical axis, and the point that stands out of it."""
    points = [p for line in lines for p in line]
    values = sorted([p[1] for p in points])
    low, high = values[0], values[-1]
    usual = values[min(len(values) - 1, math.floor(0.97 * len(values)))]
    low = values[math.ceil(0.01 * len(values))] if log and len(values) > 100 else low  # a dip is deep on this axis
    peak = None
    if not log and len(values) > 30 and high - low > 3.0 * (usual - low) > 0.0:
        peak = max(points, key=lambda p: p[1])
        high = usual + 0.25 * (usual - low)
    low, high = min([low, *levels]), max([high, *levels])
    low, high = _spread(low, high, log=log)
    if log:
        return low / 1.1, high * 1.1, None
    room = 0.04 * (high - low)
    return (low if low == 0.0 else low - room), high + room, peak


def _frame(x_low, x_high, y_low, y_high, place, *, log: bool, x_label: str, y_label: str) -> list[str]:
    parts = []
    for value in log_ticks(y_low, y_high) if log else ticks(y_low, y_high):
        down = place((x_low, value))[1]
        parts.append(f'<path class="grid" d="M{LEFT} {down:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 7}" y="{down + 4:.1f}" text-anchor="end">{number(value)}</text>')
    for value in ticks(x_low, x_high):
        right = place((value, y_low))[0]
        parts.append(f'<path class="axis" d="M{right:.1f} {HEIGHT - BOTTOM}v4"/>')
        text = number(value)
        parts.append(
            f'<text class="tick" x="{right:.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{text}</text>'
        )
    parts.append(f'<path class="axis" d="M{LEFT} {HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="tick" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>')
    if y_label:
        turned = (TOP + HEIGHT - BOTTOM) / 2
        parts.append(
            f'<text class="tick" transform="translate(12 {turned}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>'
        )
    return parts


def _path(points: Sequence[Point], place) -> str:
    return "M" + "L".join("{:.1f} {:.1f}".format(*place(point)) for point in points)
