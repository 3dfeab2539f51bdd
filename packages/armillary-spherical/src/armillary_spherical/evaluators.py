"""Measures of Esteves et al. 2019: relative poses, equivariance, categories. Angles are degrees.

Rotations are generator from object. Of two views of one object, turned by :math:`R_1` and :math:`R_2`, the second is the first turned
by :math:`R_2 R_1^\\top`; of two objects of a category it is the same, since its shapes are aligned.
"""

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Self

import attrs
import torch
from jaxtyping import Float
from torch import Tensor

from armillary.interfaces.evaluator import Evaluation, Evaluator, Figure
from armillary.kernels.rotations import random_rotation
from armillary.nn.spheres.alignment import align
from armillary.nn.spheres.grids import soft
from armillary.nn.spheres.harmonics import bandwidth_of
from armillary.nn.spheres.rotation import rotate_coefficients
from armillary.nn.spheres.transforms import coefficients_from_signal
from armillary.ports import Shape
from armillary_spherical.evaluator_config import EquivarianceConfig, RelativePoseConfig
from armillary_spherical.mesh_paths import category_of
from armillary_spherical.symmetry import angle_up_to_symmetry

_FIRST, _OTHERS = "score", ("second", "third", "fourth")
_INSTANCE, _CATEGORY = "instance", "category"
_THRESHOLDS = (15, 30)
_BIN = 15  # degrees of the histogram
_FEW = 12  # categories that get a line of their own
_NEWTON_STEPS = 5  # to float64's rounding


@attrs.frozen(kw_only=True, eq=False)
class _View:
    """What is known of one view of one item."""

    truth: Tensor
    embedding: Tensor | None = None
    shape_embedding: Tensor | None = None
    rotation: Tensor | None = None


@attrs.frozen(kw_only=True)
class _Pair:
    """The first view of one item and another view of it, or of another item."""

    kind: str
    first: str
    second: str
    phase: str


class _Views:
    """Views by pass and item."""

    def __init__(self) -> None:
        self.seen: dict[str, dict[str, _View]] = {}

    def add(self, phase: str, ids: Sequence[str], ports: Mapping[str, Tensor]) -> None:
        truth = ports["true_rotation"].detach().cpu().double()
        kept = {"rotation": ports["rotation"].detach().cpu().double()} if "rotation" in ports else {}
        for name in ("embedding", "shape_embedding"):
            if name in ports:
                signal = ports[name].detach().float()
                kept[name] = coefficients_from_signal(signal, grid=soft(signal.shape[-1] // 2)).cpu().contiguous()
        for index, item in enumerate(ids):
            values = {name: value[index] for name, value in kept.items()}
            self.seen.setdefault(phase, {})[item] = _View(truth=truth[index], **values)

    def merge(self, other: "_Views") -> None:
        for phase, views in other.seen.items():
            self.seen.setdefault(phase, {}).update(views)

    def pairs(self, *, partners: int, seed: int) -> list[_Pair]:
        """Return instance and category pairs, in the order of ids, whatever the order in which items came."""
        items = sorted(self.seen.get(_FIRST, {}))
        phases = [phase for phase in _OTHERS if phase in self.seen]
        found = [_Pair(kind=_INSTANCE, first=item, second=item, phase=phase) for item in items for phase in phases]
        generator = torch.Generator().manual_seed(seed)
        members: dict[str, list[str]] = {}
        for item in items:
            members.setdefault(category_of(item), []).append(item)
        for item in items:
            others = [other for other in members[category_of(item)] if other != item]
            order = torch.randperm(len(others), generator=generator).tolist()[:partners]
            for index, place in enumerate(order):
                phase = phases[index % len(phases)]
                found.append(_Pair(kind=_CATEGORY, first=item, second=others[place], phase=phase))
        return found


class RelativePose(Evaluator):
    """``relative-pose/1`` and ``relative-pose-2dof/1``: the rotation between two pictures.

    Args:
        config: the settings.
        to_mesh: the second of a pair is a mesh: see :class:`ImageToMesh`.
    """

    def __init__(self, config: RelativePoseConfig, *, to_mesh: bool = False) -> None:
        self.config, self.to_mesh = config, to_mesh
        self.views = _Views()

    @classmethod
    def build(cls, config: RelativePoseConfig, *, inputs: Mapping[str, Shape]) -> Self:
        """Return an empty evaluator; it takes any size."""
        del inputs
        return cls(config)

    def update(self, phase: str, *, ids: list[str], ports: Mapping[str, Tensor]) -> None:
        """Keep the embedding's coefficients, or the rotation, of each view.

        Raises:
            ValueError: the method gives neither an embedding nor a rotation.
        """
        if "embedding" not in ports and "rotation" not in ports:
            raise ValueError("relative poses are read off an embedding or a rotation, and the method gives neither")
        self.views.add(phase, ids, ports)

    def merge(self, other: Self) -> None:
        """Take in another shard's views."""
        self.views.merge(other.views)

    def result(self) -> Evaluation:
        """Return the figures of instance and category pairs, beside random rotations."""
        pairs = self.views.pairs(partners=self.config.partners, seed=self.config.seed)
        if not pairs:
            raise ValueError("no item was seen in two views")
        truth = torch.stack([self._truth(pair) for pair in pairs])
        generator = torch.Generator().manual_seed(self.config.seed)
        drawn = random_rotation(len(pairs), generator=generator, dtype=torch.float64)
        errors = self._errors(pairs, self._estimates(pairs), truth)
        return Evaluation(
            figures=_pose_figures(pairs, errors),
            baselines={"random rotation": _pose_figures(pairs, self._errors(pairs, drawn, truth))},
            notes=self._notes(pairs, errors),
            rows=_pose_rows(pairs, errors),
        )

    def _truth(self, pair: _Pair) -> Tensor:
        first, second = self._both(pair)
        return second.truth @ first.truth.mT

    def _both(self, pair: _Pair) -> tuple[_View, _View]:
        return self.views.seen[_FIRST][pair.first], self.views.seen[pair.phase][pair.second]

    def _estimates(self, pairs: Sequence[_Pair]) -> Float[Tensor, "pair 3 3"]:
        both = [self._both(pair) for pair in pairs]
        if both[0][0].rotation is not None:
            return torch.stack([_known(b.rotation) @ _known(a.rotation).mT for a, b in both])
        firsts = [_known(a.embedding) for a, _ in both]
        seconds = [_known(b.shape_embedding if self.to_mesh else b.embedding) for _, b in both]
        if self.config.normalise:
            firsts, seconds = [_normalised(x) for x in firsts], [_normalised(x) for x in seconds]
        first, second = torch.stack(firsts), torch.stack(seconds)
        # Zero padding in the spectrum samples the correlation as finely as the paper's upsampled maps do.
        grid = max(self.config.bandwidth, bandwidth_of(first))
        steps = _NEWTON_STEPS if self.config.refine else 0
        return align(second, first, bandwidth=grid, peaks=1, newton_steps=steps).rotations[:, 0]

    def _errors(self, pairs: Sequence[_Pair], estimates: Tensor, truth: Tensor) -> Float[Tensor, " pair"]:
        groups = self.config.symmetries or {}
        errors = []
        for pair, estimate, true in zip(pairs, estimates, truth, strict=True):
            group = groups.get(category_of(pair.first), "none")
            base = self._both(pair)[0].truth
            errors.append(angle_up_to_symmetry(estimate, true, object_rotation=base, group=group))
        return torch.rad2deg(torch.stack(errors))

    def _notes(self, pairs: Sequence[_Pair], errors: Tensor) -> tuple[str, ...]:
        notes = []
        for kind in (_INSTANCE, _CATEGORY):
            own = errors[_mask(pairs, kind)]
            if len(own):
                counts = " ".join(str(count) for count in _histogram(own))
                notes.append(f"{kind} pairs by error, in steps of {_BIN} degrees from 0 to 180: {counts}")
                notes += self._by_category(pairs, errors, kind)
        named = self.config.symmetries or {}
        notes += [f"{category}: errors up to {group}" for category, group in named.items() if group != "none"]
        return tuple(notes)

    def _by_category(self, pairs: Sequence[_Pair], errors: Tensor, kind: str) -> list[str]:
        categories = sorted({category_of(pair.first) for pair in pairs})
        if not 1 < len(categories) <= _FEW:
            return []
        lines = []
        for category in categories:
            mask = [pair.kind == kind and category_of(pair.first) == category for pair in pairs]
            if any(mask):
                found = {name: figure.value for name, figure in _summary(kind, errors[torch.tensor(mask)]).items()}
                text = ", ".join(f"{name.removeprefix(kind)[1:]} {value:.3g}" for name, value in found.items())
                lines.append(f"{kind} pairs of {category}: {text} ({sum(mask)} pairs)")
        return lines


class ImageToMesh(Evaluator):
    """``image-to-mesh/1``: the rotation from the object in a picture to a mesh."""

    def __init__(self, config: RelativePoseConfig) -> None:
        self.pose = RelativePose(config, to_mesh=True)

    @classmethod
    def build(cls, config: RelativePoseConfig, *, inputs: Mapping[str, Shape]) -> Self:
        """Return an empty evaluator; it takes any size."""
        del inputs
        return cls(config)

    def update(self, phase: str, *, ids: list[str], ports: Mapping[str, Tensor]) -> None:
        """Keep the coefficients of both embeddings of each view."""
        self.pose.update(phase, ids=ids, ports=ports)

    def merge(self, other: Self) -> None:
        """Take in another shard's views."""
        self.pose.merge(other.pose)

    def result(self) -> Evaluation:
        """Return the figures of instance and category pairs, beside random rotations."""
        return self.pose.result()


class Equivariance(Evaluator):
    r"""``equivariance/1``: :math:`\|f(R_2 M) - R_2 R_1^\top f(R_1 M)\| / \|f(R_2 M)\|`, means over the sphere left out."""

    def __init__(self, config: EquivarianceConfig) -> None:
        self.config = config
        self.views = _Views()

    @classmethod
    def build(cls, config: EquivarianceConfig, *, inputs: Mapping[str, Shape]) -> Self:
        """Return an empty evaluator; it takes any size."""
        del inputs
        return cls(config)

    def update(self, phase: str, *, ids: list[str], ports: Mapping[str, Tensor]) -> None:
        """Keep the coefficients of each item's features."""
        self.views.add(phase, ids, {"embedding": ports["features"], "true_rotation": ports["true_rotation"]})

    def merge(self, other: Self) -> None:
        """Take in another shard's features."""
        self.views.merge(other.views)

    def result(self) -> Evaluation:
        """Return the relative error, beside those of other groups' elements."""
        firsts, seconds = self.views.seen.get(_FIRST, {}), self.views.seen.get(_OTHERS[0], {})
        items = sorted(set(firsts) & set(seconds))
        if not items:
            raise ValueError("no item was seen in two orientations")
        first = torch.stack([_known(firsts[item].embedding) for item in items]).double()
        second = torch.stack([_known(seconds[item].embedding) for item in items]).double()
        truth = torch.stack([seconds[item].truth @ firsts[item].truth.mT for item in items])
        generator = torch.Generator().manual_seed(self.config.seed)
        drawn = random_rotation(len(items), generator=generator, dtype=torch.float64)
        turned = rotate_coefficients(first, truth[:, None])
        errors = _relative_error(turned, second)
        others = {
            "not turned": first,
            "turned and mirrored": mirrored(turned),
            "turned at random": rotate_coefficients(first, drawn[:, None]),
        }
        return Evaluation(
            figures=_error_figure(errors),
            baselines={name: _error_figure(_relative_error(value, second)) for name, value in others.items()},
            rows={item: {"error": float(error)} for item, error in zip(items, errors, strict=True)},
        )


class Classification(Evaluator):
    """``classification/1``: share of items whose largest score is the true category's."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[int, int]] = {}

    @classmethod
    def build(cls, config: object, *, inputs: Mapping[str, Shape]) -> Self:
        """Return an empty evaluator; it takes any number of classes."""
        del config, inputs
        return cls()

    def update(self, phase: str, *, ids: list[str], ports: Mapping[str, Tensor]) -> None:
        """Note which category was found of each item."""
        del phase
        found = ports["class_scores"].argmax(dim=-1).tolist()
        self.rows.update(zip(ids, zip(found, ports["class_label"].tolist(), strict=True), strict=True))

    def merge(self, other: Self) -> None:
        """Take in another shard's items."""
        self.rows.update(other.rows)

    def result(self) -> Evaluation:
        """Return the accuracy, and its mean over categories."""
        if not self.rows:
            raise ValueError("classification/1: no item was scored")
        right = {item: float(found == label) for item, (found, label) in self.rows.items()}
        labels = Counter(label for _, label in self.rows.values())
        per_class = [
            sum(right[item] for item, (_, label) in self.rows.items() if label == each) / count
            for each, count in labels.items()
        ]
        number = len(self.rows)
        most = labels.most_common(1)[0][1]
        return Evaluation(
            figures={
                "accuracy": Figure(value=sum(right.values()) / number, count=number, better="higher"),
                "mean over categories": Figure(
                    value=sum(per_class) / len(per_class), count=len(labels), better="higher"
                ),
            },
            baselines={
                "most frequent": {
                    "accuracy": Figure(value=most / number, count=number, better="higher"),
                    "mean over categories": Figure(value=1 / len(labels), count=len(labels), better="higher"),
                }
            },
            rows={item: {"right": value} for item, value in right.items()},
        )


def mirrored(coefficients: Float[Tensor, "*batch coefficient"]) -> Float[Tensor, "*batch coefficient"]:
    """Return coefficients of the signal mirrored in the plane y = 0: sines change their sign."""
    return coefficients * _mirror_signs(coefficients.shape[-1]).to(coefficients)


@functools.lru_cache(maxsize=16)
def _mirror_signs(number: int) -> Tensor:
    degree = torch.arange(number).double().sqrt().floor()
    order = torch.arange(number) - degree**2 - degree
    return torch.where(order < 0, -1.0, 1.0)


def _known(value: Tensor | None) -> Tensor:
    if value is None:
        raise ValueError("a view lacks what others have: the passes saw different outputs")
    return value


def _normalised(coefficients: Float[Tensor, "channel coefficient"]) -> Tensor:
    norm = coefficients.norm(dim=-1, keepdim=True)
    return coefficients / norm.clamp_min(torch.finfo(norm.dtype).tiny)


def _relative_error(found: Tensor, truth: Tensor) -> Float[Tensor, " item"]:
    difference = (found - truth)[..., 1:].flatten(1).norm(dim=-1)
    return difference / truth[..., 1:].flatten(1).norm(dim=-1)


def _error_figure(errors: Tensor) -> dict[str, Figure]:
    spread = float(errors.std()) if len(errors) > 1 else None
    return {"relative error": Figure(value=float(errors.mean()), spread=spread, count=len(errors))}


def _mask(pairs: Sequence[_Pair], kind: str) -> Tensor:
    return torch.tensor([pair.kind == kind for pair in pairs])


def _pose_figures(pairs: Sequence[_Pair], errors: Tensor) -> dict[str, Figure]:
    kinds = [kind for kind in (_INSTANCE, _CATEGORY) if any(pair.kind == kind for pair in pairs)]
    return {name: figure for kind in kinds for name, figure in _summary(kind, errors[_mask(pairs, kind)]).items()}


def _summary(kind: str, errors: Tensor) -> dict[str, Figure]:
    count = len(errors)
    spread = float(errors.std()) if count > 1 else None
    # The quantile of an even number of values is the mean of the middle two; torch's median is the lower one.
    figures = {f"{kind} median": Figure(value=float(errors.quantile(0.5)), unit="degree", count=count)}
    for threshold in _THRESHOLDS:
        share = float((errors < threshold).double().mean())
        figures[f"{kind} acc@{threshold}"] = Figure(value=share, count=count, better="higher")
    figures[f"{kind} mean"] = Figure(value=float(errors.mean()), unit="degree", spread=spread, count=count)
    return figures


def _histogram(errors: Tensor) -> list[int]:
    place = (errors / _BIN).floor().clamp(0, 180 // _BIN - 1).long()
    return torch.bincount(place, minlength=180 // _BIN).tolist()


def _pose_rows(pairs: Sequence[_Pair], errors: Tensor) -> dict[str, dict[str, float]]:
    """Return the errors of every item's pairs, in degrees, and the whole histogram of each kind."""
    rows: dict[str, dict[str, float]] = {}
    for pair, error in zip(pairs, errors.tolist(), strict=True):
        row = rows.setdefault(pair.first, {})
        row[f"{pair.kind} {sum(name.startswith(pair.kind) for name in row) + 1}"] = error
    for kind in (_INSTANCE, _CATEGORY):
        counts = _histogram(errors[_mask(pairs, kind)])
        rows[f"histogram of {kind} pairs"] = {f"{_BIN * i} to {_BIN * (i + 1)}": float(n) for i, n in enumerate(counts)}
    return rows
