"""Line charts: goldens of their arithmetic, and what the eye must not miss."""

import math
import re
import xml.etree.ElementTree as ET

import pytest

from armillary.drawing.charts import MINUS, line_chart, log_ticks, number, running_mean, thinned, ticks


def elements(chart, name):
    """Elements of this name in the SVG part of a chart; it must be well-formed XML."""
    root = ET.fromstring(chart[: chart.index("</svg><p") + 6] if "</svg><p" in chart else chart)
    return list(root.iter(name))


def rows(values, key="loss"):
    return [{"step": step, key: value} for step, value in enumerate(values)]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 4800, [0, 1000, 2000, 3000, 4000]),
        (-0.3, 0.3, [-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3]),
    ],
)
def test_ticks_are_round(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def test_log_ticks():
    assert log_ticks(0.9, 25.0) == pytest.approx([1, 2, 5, 10, 20])
    assert log_ticks(1e-3, 1e3) == pytest.approx([1e-3, 1e-2, 1e-1, 1, 10, 100, 1000])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0"),
        (0.00998, "0.00998"),
        (15.3, "15.3"),
        (1234.5678, "1235"),
        (4000.0, "4000"),
        (123456.0, "123,456"),
        (-0.25, f"{MINUS}0.25"),
        (1e-6, f"1e{MINUS}06"),
        (2.5e7, "2.5e+07"),
        (math.inf, "∞"),
        (math.nan, "not a number"),
    ],
)
def test_number(value, expected):
    assert number(value) == expected


def test_running_mean_keeps_a_straight_line():
    """The mean over a centred window of a straight line is the line, at its ends too."""
    line = [(float(k), 3.0 * k) for k in range(1000)]
    smooth = running_mean(line)
    assert smooth[0] == line[0]
    assert all(value == pytest.approx(3.0 * x) for x, value in smooth)
    assert running_mean(line[:80]) == line[:80]


def test_thinning_loses_no_spike():
    points = [(float(k), 0.0) for k in range(5000)]
    points[1234] = (1234.0, 9.0)
    points[4321] = (4321.0, -9.0)
    few = thinned(points)
    assert len(few) < 500
    assert {points[1234], points[4321]} <= set(few)
    assert few == sorted(few)


def test_each_series_has_a_line_and_a_name():
    chart = line_chart([{"step": 0, "a": 1.0, "b": 2.0}, {"step": 1, "a": 2.0, "b": 1.0}], {"a": "A<", "b": "B"})
    assert len(re.findall(r'class="line series-[12]"', chart)) == 2
    assert "A&lt;" in chart
    assert "A<" not in chart
    assert elements(chart, "path")


def test_what_is_not_finite_is_left_out():
    chart = line_chart(
        [*rows([1.0, math.nan, math.inf, 2.0]), {"step": None, "loss": 1.0}, {"step": 5}], {"loss": "Loss"}
    )
    (line,) = [e for e in elements(chart, "path") if "line" in e.get("class", "")]
    assert line.get("d", "").count("L") == 1
    assert "nan" not in chart


def test_a_single_value_is_a_dot():
    assert len(elements(line_chart(rows([3.0]), {"loss": "Loss"}), "circle")) == 1


@pytest.mark.parametrize("values", [[], [math.nan], [None]])
def test_no_values_are_said_aloud(values):
    assert "No values yet" in line_chart(rows(values), {"loss": "Loss"})


def test_a_first_burst_does_not_flatten_the_rest():
    """One value of 1000 among values about 1: the axis ends near 1, and the chart says how high it went."""
    chart = line_chart(rows([1000.0] + [1.0 + 0.5 * (k % 2) for k in range(99)]), {"loss": "Loss"})
    assert "up to 1000 at step 0" in chart
    heights = [float(e.get("y", "0")) for e in elements(chart, "text") if (e.text or "").startswith("1.")]
    assert max(heights) - min(heights) > 60


def test_a_log_axis_has_no_place_for_zero():
    chart = line_chart(rows([100.0, 10.0, 0.0, 1.0]), {"loss": "Loss"}, log=True, levels={"none": 0.0, "base": 5.0})
    (line,) = [e for e in elements(chart, "path") if "line" in e.get("class", "")]
    assert line.get("d", "").count("L") == 2
    assert [e.get("class") for e in elements(chart, "path")].count("level") == 1


def test_baselines_are_inside_the_picture():
    chart = line_chart(rows([1.0, 0.5]), {"loss": "Loss"}, levels={"null depth": 9.0})
    (level,) = [e for e in elements(chart, "path") if e.get("class") == "level"]
    down = float(re.findall(r" ([\d.-]+)H", level.get("d", ""))[0])
    assert 12 <= down <= 230
    assert "null depth <b>9</b>" in chart


def test_the_same_values_give_the_same_chart():
    assert line_chart(rows([1.0, 2.0]), {"loss": "Loss"}) == line_chart(rows([1.0, 2.0]), {"loss": "Loss"})
