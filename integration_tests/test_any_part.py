"""Parts of one method in another: adapters, extra outputs with losses on them, branches replaced as a whole. Each trains."""

import json
import math
from pathlib import Path

import attrs
import pytest
import torch

from armillary.errors import RecipeError
from armillary.inference.restore import restore
from armillary.plugins.host import Host
from armillary.recipes.check import plan_recipe
from armillary.recipes.recipe import Overrides, Recipe, resolve
from armillary.recipes.settings import DeviceConfig
from armillary.recipes.stages import prefix
from armillary.training.build import call_method
from armillary.training.folder import RunFolder
from armillary.training.train import train

PARTY = Path(__file__).parent / "third_party"
STEPS = 3
_MEAN = ("losses.swapped.use=photogeo:mean-viewpoint", "losses.swapped.bind.viewpoint=view.head.viewpoint")
_DIVERGENCE = (
    "losses.swapped.use=variational:divergence",
    "losses.swapped.bind.mean=view.head.mean",
    "losses.swapped.bind.logvar=view.head.logvar",
)


_CONFIDENT = (
    "losses.swapped.use=unsup3d:photometric",
    "losses.swapped.bind.confidence=confidence.head.confidence",
)
_CONFIDENCE = ("confidence.encoder=unsup3d:conv-encoder", "confidence.head=unsup3d:confidence")
_GEODESIC = (
    "transforms.1.use=std:true-rotation",
    "losses.swapped.use=spherical:geodesic",
    "losses.swapped.bind.rotation=view.head.rotation",
)

_SMALL = """
    [stages.embedding.slots.encoder]
    use = "{}"
    settings = {{width = 8}}
"""


@attrs.frozen(kw_only=True)
class Experiment:
    """A smoke recipe with parts of other methods, and the output that they decide."""

    method: str
    patch: str = ""
    uses: tuple[str, ...] = ()
    vias: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    shows: str
    stage: str | None = None


EXPERIMENTS = {
    "spherical frame as view head": Experiment(
        method="unsup3d",
        uses=("view.head=spherical:frame",),
        vias=("view.head=spherical:vector-to-map", "view.head=std:rotation-to-pose"),
        shows="pose",
    ),
    "spherical pose as view head": Experiment(
        method="unsup3d",
        patch="""
            [slots."view.head"]
            use = "spherical:pose"
            via = "std:rotation-to-pose"
            settings = {first = 32, second = 16}
        """,
        shows="pose",
    ),
    "mean viewpoint in unsup3d": Experiment(
        method="unsup3d", uses=("view.head=photogeo:view",), sets=_MEAN, shows="view.head.viewpoint"
    ),
    "view head of unsup3d in photogeo": Experiment(
        method="photogeo", uses=("view.head=unsup3d:view",), without=("viewpoint",), shows="pose"
    ),
    "label map as key point head": Experiment(
        method="keypoints",
        uses=("head=labelling:label-map",),
        vias=("head=std:labels-to-points",),
        sets=("head.channels=5",),
        shows="keypoints2d",
    ),
    "labelling trunk in unsup3d": Experiment(
        method="unsup3d", uses=("depth.encoder=labelling:dilations",), vias=("depth.encoder=std:pool",), shows="depth"
    ),
    "labelling trunk in photogeo": Experiment(
        method="photogeo", uses=("depth.encoder=labelling:dilations",), vias=("depth.encoder=std:pool",), shows="depth"
    ),
    "branch replaced as a whole": Experiment(
        method="unsup3d", uses=("depth.encoder=unet:down", "depth.head=unet:up"), shows="free_depth"
    ),
    "variational view": Experiment(
        method="unsup3d", uses=("view.head=variational:view",), sets=_DIVERGENCE, shows="view.head.logvar"
    ),
    "geodesic distance of unsup3d's pose": Experiment(
        method="unsup3d", vias=("view.head=std:pose-to-rotation",), sets=_GEODESIC, shows="view.head.rotation"
    ),
    "confidence in photogeo": Experiment(
        method="photogeo", uses=_CONFIDENCE, sets=_CONFIDENT, shows="confidence.head.confidence"
    ),
    "confidence in keypoints": Experiment(
        method="keypoints", uses=_CONFIDENCE, sets=_CONFIDENT, shows="confidence.head.confidence"
    ),
    "absolute image error in keypoints": Experiment(
        method="keypoints", sets=("losses.swapped.use=std:photometric-l1",), shows="reconstruction"
    ),
    "repulsion of labels": Experiment(
        method="labelling",
        vias=("head=std:labels-to-points",),
        sets=("losses.swapped.use=keypoints:repulsion", "losses.swapped.bind.keypoints2d=head.keypoints2d"),
        shows="labels",
    ),
    "encoder of unsup3d in spherical": Experiment(
        method="spherical",
        patch=_SMALL.format("unsup3d:conv-encoder"),
        shows="embedding",
        stage="embedding",
    ),
    "encoder of std in spherical": Experiment(
        method="spherical",
        patch=_SMALL.format("std:plain-encoder"),
        shows="embedding",
        stage="embedding",
    ),
}


@pytest.fixture(scope="module")
def host() -> Host:
    """Everything that is installed, and two plugins of one file."""
    found = Host()
    for file in ("variational.py", "unet.py"):
        found.add_file(PARTY / file)
    return found


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_each_experiment_trains(name, host, small_generators, tmp_path, say):
    """A few steps of the real loop: finite losses, and an output that is finite and not the same for every picture."""
    tried = EXPERIMENTS[name]
    made = recipe(host, tried, tmp_path)
    generator = next(body["generator"]["use"] for body in made.bodies.values() if "generator" in body)
    device = DeviceConfig(accelerator="cpu", threads=1)
    out = tmp_path / "run"
    train(made, data=small_generators[generator], out=out, host=host, device=device)
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    losses = [value for row in rows for key, value in row.items() if key.startswith("losses.")]
    assert losses, rows
    assert all(map(math.isfinite, losses)), losses
    if any(text.startswith("losses.swapped") for text in tried.sets):
        assert sum("losses.swapped" in row for row in rows) == STEPS
    restored = restore(RunFolder.open(out), host=host, stage=tried.stage)
    size = [side or 1 for side in restored.model.plan.shapes["image"][1:]]
    images = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = call_method(restored.model, {"image": images}, predict=True)[tried.shows]
    spread = float(found.std(dim=0).mean())
    say(f"any part: {name}: {tried.shows} varies by {spread:.2g} between pictures")
    assert bool(found.isfinite().all())
    assert spread > 0


def recipe(host: Host, tried: Experiment, folder: Path) -> Recipe:
    """Return the smoke recipe with the experiment's parts, cut to a few steps."""
    name = f"{tried.method}:smoke"
    sets = [
        f"{prefix(stage)}{text}"
        for stage in resolve(host, name).bodies
        for text in (f"budget.steps={STEPS}", "cadence.log=1", "batch_size=3")
    ]
    file = folder / "patch.toml"
    file.write_text(tried.patch, encoding="utf-8")
    changes = {"uses": tried.uses, "vias": tried.vias, "sets": (*sets, *tried.sets), "without": tried.without}
    return resolve(host, name, Overrides(files=(file,), **changes))


def test_the_variational_plugin_is_short():
    """At most sixty lines."""
    assert len((PARTY / "variational.py").read_text(encoding="utf-8").splitlines()) <= 60


def test_a_refusal_names_the_adapters_with_which_the_part_would_fit(host):
    """One, or two where none alone is enough; nothing is adapted unasked."""
    with pytest.raises(RecipeError, match=r"it would fit with --via depth\.encoder=std:pool") as one:
        plan_recipe(host, resolve(host, "unsup3d:smoke", Overrides(uses=("depth.encoder=labelling:dilations",))))
    assert "spread" not in str(one.value)
    both = "--via view.head=spherical:vector-to-map --via view.head=std:rotation-to-pose"
    with pytest.raises(RecipeError, match=both):
        plan_recipe(host, resolve(host, "unsup3d:smoke", Overrides(uses=("view.head=spherical:frame",))))


def test_half_of_a_replaced_branch_is_refused(host):
    """The head alone has nothing to read, the encoder alone nothing to feed."""
    for half, port in (("depth.encoder=unet:down", "feature"), ("depth.head=unet:up", "fine")):
        with pytest.raises(RecipeError, match=port):
            plan_recipe(host, resolve(host, "unsup3d:smoke", Overrides(uses=(half,))))


def test_a_loss_that_lacks_a_port_is_told_where_a_part_gives_it(host):
    """By the name to bind."""
    sets = ("losses.swapped.use=photogeo:mean-viewpoint",)
    with pytest.raises(RecipeError, match=r"bind.viewpoint=view.head.viewpoint"):
        plan_recipe(host, resolve(host, "unsup3d:smoke", Overrides(uses=("view.head=photogeo:view",), sets=sets)))
