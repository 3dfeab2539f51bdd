"""Checks of level 2 on generators."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from armillary.config import structure
from armillary.interfaces.generator import Generator
from armillary.kernels.triangle_mesh import TriangleMesh
from armillary_testing.checks import Check, Failure, Skip, Subject
from armillary_testing.settings import defaults

_SIZE = 32
_NOT_PORTS = {"partner"}
"""Which item the flow of a pair leads to: for the writer of a data folder, which makes files of it."""
_SEED = 0


def generator_repeats(subject: Subject) -> None:
    """The same seed and index give the same bytes, whatever was made before and by which instance."""
    one, other = _generator(subject), _generator(subject)
    first = one.item(0)
    one.item(1)
    _same(first, one.item(0), "when it is made again")
    _same(one.item(1), other.item(1), "when it is made first")


def generator_seeds(subject: Subject) -> None:
    """Another seed and another index give another item."""
    one = _generator(subject).item(0)
    for other, what in ((_generator(subject, seed=1).item(0), "seed"), (_generator(subject).item(1), "index")):
        if _differing(one, other) is None:
            raise Failure(f"another {what} gives the same item")


def generator_ports(subject: Subject) -> None:
    """An item has the declared names, less optional ones, and as many axes as declared."""
    item = _generator(subject).item(0)
    ports = {port.name: port for port in subject.spec.produces}
    missing = [name for name, port in ports.items() if name not in item and not port.optional]
    extra = [name for name in item if name not in {*ports, *_NOT_PORTS}]
    if missing or extra:
        raise Failure(f"it lacks {', '.join(missing) or 'nothing'}, and has undeclared {', '.join(extra) or 'nothing'}")
    for name, value in item.items():
        if name in _NOT_PORTS or isinstance(value, TriangleMesh):
            continue
        axes = len(ports[name].shape.split()) - 1
        if np.ndim(value) != axes:
            raise Failure(f"{name} has {np.ndim(value)} axes, declared are {ports[name]}, less the batch")


def generator_describes(subject: Subject) -> None:
    """Its description can be written to generator.json."""
    said = _generator(subject).describe()
    try:
        json.dumps(said, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Failure(f"describe() gives what JSON cannot hold: {error}") from None


def _generator(subject: Subject, *, seed: int = _SEED) -> Generator:
    resolved = subject.bench.host.resolve(subject.spec)
    try:
        return resolved.cls.build(structure(defaults(resolved.config), resolved.config), size=_SIZE, seed=seed)  # type: ignore[attr-defined]
    except ValueError as error:
        if subject.spec.assets:
            raise Skip(f"it needs {', '.join(subject.spec.assets)}") from None
        raise Failure(f"it cannot be built with what its settings default to: {error}") from None


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    if set(one) != set(other):
        return min(set(one) ^ set(other))
    return next((name for name in one if _bytes(one[name]) != _bytes(other[name])), None)


def _bytes(value: Any) -> bytes:
    return value.ply_bytes() if isinstance(value, TriangleMesh) else np.asarray(value).tobytes()


def _same(one: Mapping[str, Any], other: Mapping[str, Any], when: str) -> None:
    name = _differing(one, other)
    if name is not None:
        raise Failure(f"{name} has other bytes {when}")


_RUNS = {
    "generator-repeats": generator_repeats,
    "generator-seeds": generator_seeds,
    "generator-ports": generator_ports,
    "generator-describes": generator_describes,
}
CHECKS = tuple(
    Check(name=name, level=2, kinds=("generator",), claim=run.__doc__ or "", run=run) for name, run in _RUNS.items()
)
