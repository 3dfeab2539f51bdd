"""Samples for transforms: items of the generator of a recipe called smoke, or random tensors."""

import copy
from collections.abc import Mapping
from typing import Any

import attrs
import torch
from torch import Tensor

from armillary.config import structure
from armillary.ports import Shapes
from armillary.training.batches import collate
from armillary.training.build import build_dataset, build_transform
from armillary_testing.cases import STRANGE, settle, size_of, tensors
from armillary_testing.checks import RECIPE_TRIED, Failure, Skip, Subject
from armillary_testing.settings import defaults
from armillary_testing.trial import Trial, excuse, trial

_EXTENTS = (24, 32)
_CHANNELS = 8
_FEW = 3
_HEIGHT, _WIDTH = 40, 48


@attrs.frozen(kw_only=True, eq=False)
class Sample:
    """Transform with its arguments.

    Args:
        transform: built.
        values: of one item, or of a batch.
        kinds: kind of each port.
    """

    transform: Any
    values: Mapping[str, Any]
    kinds: Mapping[str, str]

    def changed(self, *, seed: int = 0, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return what the transform makes of the sample, or of other values."""
        generator = torch.Generator().manual_seed(seed)
        given = copy.deepcopy(dict(self.values)) if values is None else dict(values)
        return self.transform(given, kinds=self.kinds, generator=generator)


def trials(subject: Subject, *, everywhere: bool = False) -> list[Trial]:
    """Return the trials of the plugin's recipes called smoke, or of all that are installed, that can be tried here."""
    bench = subject.bench
    found = [f"{bench.plugin}:{RECIPE_TRIED}"] if RECIPE_TRIED in bench.offer.components.get("recipe", {}) else []
    if everywhere:
        found += [id for id in bench.host.components("recipe") if id.endswith(f":{RECIPE_TRIED}") and id not in found]
    made = []
    for id in found:
        if not excuse(bench.host, id):
            try:
                made.append(trial(Subject(bench=bench, kind=RECIPE_TRIED, id=id)))
            except (Skip, Failure):  # for other checks to say
                continue
    return made


def from_recipes(subject: Subject) -> Sample | None:
    """Return a transform in its place in a recipe, with an item of its generator; None where no recipe that can be tried has it."""
    host = subject.bench.host
    for one in trials(subject):
        for stage in one.plan.stages.values():
            places = [number for number, part in enumerate(stage.transforms) if part.id == subject.id]
            if not places or stage.data is None:
                continue
            dataset = build_dataset(host, stage, root=one.data, split="train")
            kinds = {name: port.kind for name, port in stage.batch.items()}
            items = [dataset[index] for index in range(_FEW)]
            for part in stage.transforms[: places[0]]:
                earlier = build_transform(host, part)
                items = [earlier(x, kinds=kinds, generator=torch.Generator().manual_seed(0)) for x in items]
            values = items[0] if subject.spec.per == "item" else collate(items)
            return Sample(transform=build_transform(host, stage.transforms[places[0]]), values=values, kinds=kinds)
    return None


def drawn_sample(subject: Subject, *, more: Mapping[str, str] | None = None) -> Sample:
    """Return a transform with its defaults, and drawn tensors of what it takes.

    Args:
        subject: the transform.
        more: name to kind of what else the sample has.

    Raises:
        Skip: it takes a record.
    """
    spec, host = subject.spec, subject.bench.host
    strange = [port for port in spec.consumes if not port.optional and port.kind in STRANGE]
    if strange:
        raise Skip(f"its port {strange[0].name} is a {strange[0].kind}, which nothing here can make up")
    settings = defaults(host.config(spec))
    shapes = Shapes()
    ports = {port.name: port for port in spec.consumes if port.kind not in STRANGE}
    axes = {name: shapes.bind(port, f"{subject.id} takes", settings) for name, port in ports.items()}
    for name, port in ports.items():
        for place, axis in enumerate(axes[name]):
            if axis.symbol and axis.symbol != "batch" and shapes.resolve((axis,)) == (None,):
                settle(shapes, axis, size_of(port, place, len(axes[name]), _EXTENTS, _CHANNELS))
    sizes = {name: shapes.resolve(each) for name, each in axes.items()}
    outputs = {port.name: (None,) * len(port.shape.split()) for port in spec.produces}
    resolved = host.resolve(spec)
    transform = resolved.cls.build(structure(settings, resolved.config), inputs=sizes, outputs=outputs)  # type: ignore[attr-defined]
    values: dict[str, Any] = dict(tensors(ports, sizes, batch=_FEW))
    if spec.per == "item":
        values = {name: value[0] for name, value in values.items()}
        values["id"] = "drawn"
    else:
        values["id"] = [f"drawn-{number}" for number in range(_FEW)]
    kinds = {name: port.kind for name, port in ports.items()} | dict(more or {})
    return Sample(transform=transform, values=values, kinds=kinds)


def sample(subject: Subject) -> Sample:
    """Return a sample for a transform, of a recipe or drawn."""
    key = ("sample", subject.id)
    kept = subject.bench.kept
    if key not in kept:
        one = from_recipes(subject) or drawn_sample(subject)
        if "image" not in one.values and subject.spec.moves:  # what moves all that a sample has may declare no port
            one = attrs.evolve(one, values={**ramps(1), **one.values}, kinds={**RAMPS, **one.kinds})
        kept[key] = one
    return kept[key]


def ramps(scale: int) -> dict[str, Any]:
    """Return a picture whose red is x and whose green is y, points on it, and depth and mask that go with x.

    Args:
        scale: how many times 40 x 48 pixels it has on each side.
    """
    height, width = scale * _HEIGHT, scale * _WIDTH
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    places = torch.linspace(-0.3, 0.3, 4)
    return {
        "id": "ramps",
        "image": torch.stack(((x + 1) / 2, (y + 1) / 2, torch.full_like(x, 0.5))),
        "true_landmarks2d": torch.cartesian_prod(places, places),
        "true_depth": 1 + (x + y)[None] / 8,
        "true_mask": (x < 0)[None],
    }


RAMPS = {"image": "image", "true_landmarks2d": "landmarks2d", "true_depth": "depth", "true_mask": "mask"}
"""Kind of each port of :func:`ramps`."""


def equal(one: Any, other: Any) -> bool:
    """Return whether two values of samples are the same, nan for nan."""
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        same = one.shape == other.shape and one.dtype == other.dtype
        return same and (torch.equal(one, other) or torch.equal(one.nan_to_num(), other.nan_to_num()))
    if attrs.has(type(one)) and type(one) is type(other):
        return all(equal(getattr(one, f.name), getattr(other, f.name)) for f in attrs.fields(type(one)))
    if hasattr(one, "shape") and hasattr(other, "shape"):
        return one.shape == other.shape and bool((one == other).all())
    return bool(one == other) if type(one) is type(other) else False
