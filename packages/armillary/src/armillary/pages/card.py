"""The README of a run: a model card in Markdown, from plain data.

It has the method and data of the training, results with their protocols, commands to use the run, and its limits. Data appear
by name, count and hash, never by path. The head between ``---`` is the format of model hubs.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

from armillary.drawing.charts import number
from armillary.drawing.sheets import write_whole

Value = object


class Metric(TypedDict):
    """A measured figure with its protocol and baselines.

    ``protocol`` names the evaluator and its version; ``better`` is ``"low"`` or ``"high"``; ``baselines`` maps each trivial
    answer to its figure under the same protocol; ``spread`` is a standard deviation over the items.
    """

    name: str
    value: float
    protocol: str
    unit: NotRequired[str]
    better: NotRequired[str]
    spread: NotRequired[float]
    baselines: NotRequired[Mapping[str, float]]


class LossUsed(TypedDict):
    """A term of the loss: its name in the recipe, the part, its weight, and a note (for example, the weights of VGG)."""

    name: str
    use: str
    weight: Value
    note: NotRequired[str]


class DataUsed(TypedDict):
    """Data by name, count and hash, without a path."""

    name: str
    count: int
    hash: NotRequired[str]
    note: NotRequired[str]


def write_card(
    path: Path | str,
    *,
    title: str,
    summary: str,
    method: str,
    recipe: str,
    papers: Sequence[str] = (),
    data: Mapping[str, DataUsed] | None = None,
    training: Mapping[str, Value] | None = None,
    metrics: Sequence[Metric] = (),
    losses: Sequence[LossUsed] = (),
    changes: Sequence[str] = (),
    commands: Sequence[str] = (),
    limitations: Sequence[str] = (),
    licences: Mapping[str, str] | None = None,
    tags: Sequence[str] = (),
) -> Path:
    """Write the card atomically.

    Args:
        path: the Markdown file.
        title: name of the run.
        summary: one or two sentences on input and output.
        method: component id of the method.
        recipe: id of the recipe.
        papers: citations of the reproduced papers.
        data: data sets by role (train, test).
        training: steps, time, machine, precision and seed, by name; in the order of the page.
        metrics: see ``Metric``; if empty, the card has a line that the run was not evaluated.
        losses: see ``LossUsed``.
        changes: deviations of the run from its recipe, or of the recipe from the paper, in one sentence each.
        commands: commands to use the run.
        limitations: limits of the method, in one sentence each.
        licences: code, data or weights to their licence.
        tags: further tags for a model hub.
    """
    facts = {"Method": f"`{method}`", "Recipe": f"`{recipe}`"} | {k: _cell(v) for k, v in (training or {}).items()}
    blocks = [
        _front(["armillary", method.partition(":")[0], *tags]),
        f"# {_text(title)}",
        _text(summary),
        _table(["", ""], [[f"**{_text(name)}**", value] for name, value in facts.items()]),
        *_titled("Papers", _bullets(papers)),
        *_titled("Data", _data(data or {})),
        *_titled("Results", _metrics(metrics) if metrics else "Not evaluated yet."),
        *_titled("Losses", _losses(losses)),
        *_titled("Departures", _bullets(changes)),
        *_titled("Use", _code(commands)),
        *_titled("Limitations", _bullets(limitations)),
        *_titled("Licences", _bullets([f"{what}: {terms}" for what, terms in (licences or {}).items()])),
    ]
    return write_whole(path, ("\n\n".join(blocks) + "\n").encode())


def _front(tags: Sequence[str]) -> str:
    listed = "\n".join(f"- {json.dumps(tag)}" for tag in dict.fromkeys(tags))  # a JSON string is a YAML string
    return f"---\nlibrary_name: armillary\ntags:\n{listed}\n---"


def _titled(title: str, body: str) -> list[str]:
    return [f"## {title}", body] if body else []


def _data(data: Mapping[str, DataUsed]) -> str:
    rows = [
        [
            _text(role),
            _text(one["name"]),
            f"{one['count']:,}",
            _code_span(one.get("hash", "")),
            _text(one.get("note", "")),
        ]
        for role, one in data.items()
    ]
    return _table(["role", "name", "pictures", "hash", ""], rows)


def _metrics(metrics: Sequence[Metric]) -> str:
    baselines = list(dict.fromkeys(name for metric in metrics for name in metric.get("baselines", {})))
    rows = []
    for metric in metrics:
        spread = f" ± {number(metric['spread'])}" if "spread" in metric else ""
        better = {"low": " ↓", "high": " ↑"}.get(metric.get("better", ""), "")
        unit = f", {text}" if (text := metric.get("unit")) else ""
        beside = [_cell(metric.get("baselines", {}).get(name)) for name in baselines]
        name = f"{_text(metric['name'] + unit)}{better}"
        rows.append([name, f"**{number(metric['value'])}**{spread}", *beside, _code_span(metric["protocol"])])
    table = _table(["metric", "this run", *map(_text, baselines), "protocol"], rows)
    return table + ("\n\nThe columns between are trivial answers under the same protocol." if baselines else "")


def _losses(losses: Sequence[LossUsed]) -> str:
    rows = [
        [_text(one["name"]), _code_span(one["use"]), _cell(one["weight"]), _text(one.get("note", ""))] for one in losses
    ]
    return _table(["term", "part", "weight", ""], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table without columns that are empty in every row; empty text without rows."""
    kept = [c for c in range(len(head)) if any(row[c] for row in rows)]
    lines = [[head[c] for c in kept], ["---"] * len(kept), *([row[c] for c in kept] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if rows else ""


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {_text(line)}" for line in lines)


def _code(commands: Sequence[str]) -> str:
    return "```sh\n" + "\n".join(commands) + "\n```" if commands else ""


def _code_span(text: str) -> str:
    return f"`{' '.join(text.split()).replace('`', '')}`".replace("|", "\\|") if text else ""


def _cell(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return number(value) if isinstance(value, float) else _text(str(value))


def _text(text: str) -> str:
    """Return the text in one line, with Markdown and HTML escaped."""
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("*", "\\*")
