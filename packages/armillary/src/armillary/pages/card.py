"""The README of a run: a model card in Markdown, from plain data.

It says what was trained on what, how good it came out and by which protocol, how to use it, and what it is not good for.
Of the data it holds name, count and hash, never a place. The head between ``---`` is the one that model hubs read.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

from armillary.drawing.charts import number
from armillary.drawing.sheets import write_whole

Value = object


class Metric(TypedDict):
    """One figure with what it takes to read it.

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
    """A term of the loss: its name in the recipe, the part, its weight, and what a reader must know (which weights of VGG)."""

    name: str
    use: str
    weight: Value
    note: NotRequired[str]


class DataUsed(TypedDict):
    """Data by name, count and hash: no place."""

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
    """Write the card, whole or not at all.

    Args:
        path: the Markdown file.
        title: what the run is called.
        summary: one or two sentences: what goes in, what comes out.
        method: component id of the method.
        recipe: id of the recipe.
        papers: what is reproduced, as a reader would cite it.
        data: by role (train, test).
        training: steps, time, machine, precision and seed, by name; in the order of the page.
        metrics: see ``Metric``; none is said aloud.
        losses: see ``LossUsed``.
        changes: where the run departs from its recipe or the recipe from the paper, a sentence each.
        commands: how to use the run.
        limitations: what it is not good for, a sentence each.
        licences: of the code, of the data, of weights: what to whose terms.
        tags: further words for a model hub.
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
    """A table without the columns that are empty in every row; nothing without rows."""
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
    """Text of one line in which nothing is taken for a tag, a cell or emphasis."""
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("*", "\\*")
