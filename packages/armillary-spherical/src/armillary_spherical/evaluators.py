"""Measures of Esteves et al. 2019: relative poses, equivariance, categories. Angles are degrees.

Rotations are world from object. Of two views of one object, turned by :math:`R_1` and :math:`R_2`, the second is the first turned
by :math:`R_2 R_1^\\top`; of two objects of a category it is the same, since its shapes are aligned.
"""

import functools
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Self

import attrs
import torch
from attrs.validators import ge, optional
from jaxtyping import Float
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.interfaces import Evaluation, Evaluator, Figure
from armillary.kernels.rotations import random_rotation
from armillary.kernels.symmetry import SYMMETRIES, angle_up_to_symmetry
from armillary.nn.spheres.alignment import align
from armillary.nn.spheres.grids import soft
from armillary.nn.spheres.harmonics import bandwidth_of
from armillary.nn.spheres.rotation import rotate_coefficients
from armillary.nn.spheres.transforms import coefficients_from_signal
from armillary.rules import ValuesIn
from armillary.specs import Use
from armillary_spherical.mesh_paths import category_of
from armillary_spherical.vocabulary import PAPER, SHORT, Map, WorldRotation

ANY_TURN = Use("spherical:turn", settings={"rotations": "so3", "stretch": 0.0})
_RENDER = Use("spherical:render")
_ANY_VIEW = Use("spherical:turn", settings={"rotations": "views", "stretch": 0.0})
_CAST = Use("spherical:ray-cast")
_ERROR = (
    "the error is the angle between the estimated and the true rotation from the first to the second, in degrees, up to the "
    "symmetry group that the settings name for the category; the estimate is the peak of the correlation of two embeddings "
    "over all rotations, refined below its grid; of a method that gives a rotation itself it is their quotient. Instance "
    "pairs: every test item against three other turns of itself; category pairs: against three random test items of its "
    "category, never itself, in other turns. Median, mean, and the shares below 15 and 30 degrees. Baseline: rotations drawn "
    "uniformly, on the same pairs."
)

_FIRST, _OTHERS = "score", ("second", "third", "fourth")
_INSTANCE, _CATEGORY = "instance", "category"
_THRESHOLDS = (15, 30)
_BIN = 15  # degrees of the histogram
_FEW = 12  # categories that get a line of their own
_NEWTON_STEPS = 5  # to float64's rounding


@attrs.frozen(kw_only=True, eq=False)
class _View:
    """One view of one item."""

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


class _OfViews(Evaluator):
    """Base of the measures on several views of each item; keeps the coefficients and rotations of each view."""

    recipe_settings = True

    def setup(self) -> None:
        self.seen: dict[str, dict[str, _View]] = {}

    def keep(
        self, phase: str, ids: Sequence[str], *, truth: Tensor, rotation: Tensor | None = None, **maps: Tensor | None
    ) -> None:
        """Add the views of one batch: true rotations, and what was found."""
        kept = {} if rotation is None else {"rotation": rotation.detach().cpu().double()}
        for name, signal in maps.items():
            if signal is not None:
                grid = soft(signal.shape[-1] // 2)
                kept[name] = coefficients_from_signal(signal.detach().float(), grid=grid).cpu().contiguous()
        truth = truth.detach().cpu().double()
        for index, item in enumerate(ids):
            values = {name: value[index] for name, value in kept.items()}
            self.seen.setdefault(phase, {})[item] = _View(truth=truth[index], **values)

    def merge(self, other: Self) -> None:
        """Add the views of another shard."""
        for phase, views in other.seen.items():
            self.seen.setdefault(phase, {}).update(views)


class _PoseError(_OfViews):
    """Base of the measures of rotations between two views."""

    again = _OTHERS
    of_second: ClassVar[str] = "embedding"
    """Embedding that is compared for the second picture of a pair."""

    partners: int = param(
        3,
        source=f"{SHORT}, Section 4.2: 3 randomly sampled instances",
        validator=ge(1),
        help="other items of its category that each item is paired with",
    )
    symmetries: dict[str, str] | None = param(
        None,
        source=f"{SHORT}, Section 4.1: half-turn for ShapeNet's aeroplanes, none for ModelNet's",
        validator=optional(ValuesIn(SYMMETRIES)),
        help=f"group of each category that has one: {', '.join(SYMMETRIES)}",
    )
    bandwidth: int = param(
        32,
        source=f"{SHORT}, Section 3.2.3: upsampled by 4, 16 x 16 to 64 x 64",
        validator=ge(2),
        help="of the grid of rotations that is searched",
    )
    refine: bool = param(
        True, source="ours; the paper takes the best rotation of the grid", help="search below the grid"
    )
    normalise: bool = param(
        False, source="the authors' matlab code: off", help="scale every channel of an embedding to the same norm"
    )
    seed: int = param(0, validator=ge(0), help="of the pairs and of the random rotations")

    def pairs(self) -> list[_Pair]:
        """Return instance and category pairs, in the order of ids, whatever the order in which items came."""
        items = sorted(self.seen.get(_FIRST, {}))
        phases = [phase for phase in _OTHERS if phase in self.seen]
        found = [_Pair(kind=_INSTANCE, first=item, second=item, phase=phase) for item in items for phase in phases]
        generator = torch.Generator().manual_seed(self.seed)
        members: dict[str, list[str]] = {}
        for item in items:
            members.setdefault(category_of(item), []).append(item)
        for item in items:
            others = [other for other in members[category_of(item)] if other != item]
            order = torch.randperm(len(others), generator=generator).tolist()[: self.partners]
            for index, place in enumerate(order):
                phase = phases[index % len(phases)]
                found.append(_Pair(kind=_CATEGORY, first=item, second=others[place], phase=phase))
        return found

    def result(self) -> Evaluation:
        """Return the figures of instance and category pairs, beside random rotations."""
        pairs = self.pairs()
        if not pairs:
            raise ValueError("no item was seen in two views")
        truth = torch.stack([self._truth(pair) for pair in pairs])
        generator = torch.Generator().manual_seed(self.seed)
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
        return self.seen[_FIRST][pair.first], self.seen[pair.phase][pair.second]

    def _estimates(self, pairs: Sequence[_Pair]) -> Float[Tensor, "pair 3 3"]:
        both = [self._both(pair) for pair in pairs]
        if both[0][0].rotation is not None:
            return torch.stack([_known(b.rotation) @ _known(a.rotation).mT for a, b in both])
        firsts = [_known(a.embedding) for a, _ in both]
        seconds = [_known(getattr(b, self.of_second)) for _, b in both]
        if self.normalise:
            firsts, seconds = [_normalised(x) for x in firsts], [_normalised(x) for x in seconds]
        first, second = torch.stack(firsts), torch.stack(seconds)
        # Zero padding in the spectrum samples the correlation as finely as the paper's upsampled maps do.
        grid = max(self.bandwidth, bandwidth_of(first))
        steps = _NEWTON_STEPS if self.refine else 0
        return align(second, first, bandwidth=grid, peaks=1, newton_steps=steps).rotations[:, 0]

    def _errors(self, pairs: Sequence[_Pair], estimates: Tensor, truth: Tensor) -> Float[Tensor, " pair"]:
        groups = self.symmetries or {}
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
        named = self.symmetries or {}
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


class _BetweenPictures(_PoseError):
    """Base of the measures of rotations between two pictures."""

    def score(
        self,
        ids: list[str],
        *,
        embedding: Map | None = None,
        rotation: ports.Rotation | None = None,
        true_rotation: WorldRotation,
        phase: str,
    ) -> None:
        """Keep the embedding's coefficients, or the rotation, of each view.

        Raises:
            ValueError: the method gives neither an embedding nor a rotation.
        """
        if embedding is None and rotation is None:
            raise ValueError("relative poses are read off an embedding or a rotation, and the method gives neither")
        self.keep(phase, ids, truth=true_rotation, rotation=rotation, embedding=embedding)


class RelativePose(_BetweenPictures, name="relative-pose/1", source=f"{PAPER}, Section 4.2, 3DOF of Table 2"):
    """Rotation between two pictures, in three degrees of freedom."""

    transforms = (ANY_TURN, _RENDER)
    protocol = f"four views of each item, turned uniformly over all rotations (3DOF); {_ERROR}"


class RelativePose2Dof(_BetweenPictures, name="relative-pose-2dof/1", source=f"{PAPER}, Section 4.2, 2DOF of Table 2"):
    """Rotation between two pictures, in two degrees of freedom."""

    transforms = (_ANY_VIEW, _RENDER)
    protocol = (
        "four views of each item from directions uniform over the whole sphere, its z axis upright in the picture (2DOF); "
        f"the estimate may be any rotation; {_ERROR}"
    )


class ImageToMesh(_PoseError, name="image-to-mesh/1", source=f"{PAPER}, Appendix C.1, Table 4"):
    """Rotation between a picture and a mesh."""

    of_second = "shape_embedding"
    transforms = (ANY_TURN, _CAST, _RENDER)
    protocol = (
        "as relative-pose/1 in 3DOF, but the second of a pair is a mesh, whose embedding the frozen network of shapes "
        f"gives; {_ERROR}"
    )

    def score(
        self, ids: list[str], embedding: Map, shape_embedding: Map, true_rotation: WorldRotation, *, phase: str
    ) -> None:
        """Keep the coefficients of both embeddings of each view."""
        self.keep(phase, ids, truth=true_rotation, embedding=embedding, shape_embedding=shape_embedding)


class Equivariance(_OfViews, name="equivariance/1", source="ours; the claim is Eq. 3 of the paper"):
    r"""Relative error of features, turned, against the features of the turned shape.

    .. math:: \|f(R_2 M) - R_2 R_1^\top f(R_1 M)\| / \|f(R_2 M)\|, \text{ means over the sphere left out}
    """

    again = _OTHERS[:1]
    transforms = (ANY_TURN, _CAST)
    protocol = (
        "two uniform turns of each mesh are cast to the sphere and given to the network; the first features, turned by "
        "the true rotation between the two, are compared with the second: norm of the difference over the norm of the "
        "second, each channel's mean over the sphere left out, over all channels together; mean over items. Baselines: "
        "the first features as they are; turned and then mirrored (the group O(3), next above); turned at random."
    )
    seed: int = param(0, validator=ge(0), help="of the random rotations of the baseline")

    def score(self, ids: list[str], features: Map, true_rotation: WorldRotation, *, phase: str) -> None:
        """Keep the coefficients of each item's features."""
        self.keep(phase, ids, truth=true_rotation, embedding=features)

    def result(self) -> Evaluation:
        """Return the relative error, beside those of other groups' elements."""
        firsts, seconds = self.seen.get(_FIRST, {}), self.seen.get(_OTHERS[0], {})
        items = sorted(set(firsts) & set(seconds))
        if not items:
            raise ValueError("no item was seen in two orientations")
        first = torch.stack([_known(firsts[item].embedding) for item in items]).double()
        second = torch.stack([_known(seconds[item].embedding) for item in items]).double()
        truth = torch.stack([seconds[item].truth @ firsts[item].truth.mT for item in items])
        generator = torch.Generator().manual_seed(self.seed)
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


class Classification(Evaluator, name="classification/1", source=f"{PAPER}, Appendix A.1"):
    """Share of shapes whose category is found."""

    transforms = (ANY_TURN, _CAST)
    recipe_settings = True
    protocol = (
        "one uniform turn of each test item; share of items whose largest score is their category's, and the mean of "
        "that share over categories. Baseline: the most frequent category of the same items."
    )

    def setup(self) -> None:
        self.rows: dict[str, tuple[int, int]] = {}

    def score(self, ids: list[str], class_scores: ports.ClassScores, class_label: ports.ClassLabel) -> None:
        """Keep the category that was found of each item."""
        found = class_scores.argmax(dim=-1).tolist()
        self.rows.update(zip(ids, zip(found, class_label.tolist(), strict=True), strict=True))

    def merge(self, other: Self) -> None:
        """Add the items of another shard."""
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
