"""Small instances of methods, with the parts of a recipe of the same plugin."""

import copy
from collections.abc import Mapping

import attrs
import torch
from torch import Tensor

from armillary.errors import ArmillaryError
from armillary.plugins.host import first_line
from armillary.ports import Port, Shape
from armillary.recipes.plan import Plan, StagePlan
from armillary.training.build import Model, build, call_method
from armillary_testing.cases import BATCH, EXTENTS, STRANGE, plans, tensors
from armillary_testing.checks import Failure, Skip, Subject


@attrs.frozen(kw_only=True, eq=False)
class MethodCase:
    """Method in a stage of a recipe.

    Args:
        subject: the component.
        plan: of the recipe.
        stage: that uses it.
        inputs: shape of each port that it is called with, None for the batch and what ``extent`` stands in for.
        outputs: shape of each port that it returns.
        extent: of a picture whose size the data decide.
    """

    subject: Subject
    plan: Plan
    stage: StagePlan
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    extent: int
    built: dict[int, torch.nn.Module] = attrs.field(factory=dict, init=False)

    def model(self, *, seed: int = 0) -> Model:
        """Return the stage, its weights drawn from ``seed``, with every earlier stage that it takes parts of."""
        made: dict[str, Model] = {}
        for name, stage in self.plan.stages.items():
            made[name] = build(self.subject.bench.host, stage, seed=seed, earlier=made, with_losses=False)
            if name == self.stage.name:
                break
        return made[self.stage.name]

    def build(self, *, seed: int = 0) -> torch.nn.Module:
        """Return the method in eval mode; built once, and copied."""
        if seed not in self.built:
            self.built[seed] = self.anew(seed=seed)
        return copy.deepcopy(self.built[seed])

    def anew(self, *, seed: int = 0) -> torch.nn.Module:
        """Return the same, built for the purpose."""
        return self.model(seed=seed).method.eval()

    @property
    def consumed(self) -> Mapping[str, Port]:
        """Return the ports that go in, by name."""
        return {port.name: port for port in self.stage.method.trains_on}

    @property
    def produced(self) -> Mapping[str, Port]:
        """Return the ports that the method itself returns, by name: what its parts give beside their slots is not among them."""
        return {name: port for name, port in self.stage.outputs.items() if name not in self.stage.extras}

    def given(self, *, batch: int = BATCH, dtype: torch.dtype = torch.float32, seed: int = 0) -> dict[str, Tensor]:
        """Return what the method trains on."""
        return tensors(self.consumed, self._sized(self.inputs), batch=batch, dtype=dtype, seed=seed)

    def _sized(self, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
        return {
            name: (None, *(self.extent if size is None else size for size in shape[1:]))
            for name, shape in shapes.items()
        }

    def call(self, part: torch.nn.Module, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what comes out by name."""
        return part(**given)

    def predict(self, *, seed: int = 0) -> dict[str, Tensor]:
        """Return what the method predicts from all that it may predict from."""
        ports = {port.name: port for port in self.stage.method.predicts_from}
        model = self.model()
        model.eval()
        shapes = {name: self._known(port) for name, port in ports.items()}
        with torch.no_grad():
            return call_method(model, tensors(ports, self._sized(shapes), batch=BATCH, seed=seed), predict=True)

    def _known(self, port: Port) -> Shape:
        """Return the shape of a port that is predicted from: as in training; a picture has the size of those."""
        if port.name in self.stage.shapes:
            return self.stage.shapes[port.name]
        alike = [self.inputs[each.name] for each in self.consumed.values() if each.kind == port.kind]
        return alike[0] if alike else tuple(None if not token.isdigit() else int(token) for token in port.shape.split())


def method_case(subject: Subject) -> MethodCase | Exception:
    """Return the method in the first stage of a recipe that can be built without files and other runs."""
    said = "no recipe of its plugin uses it"
    for plan in plans(subject):
        if plan.missing:
            said = "the recipes that use it take parts of other runs"
            continue
        for stage in plan.stages.values():
            if stage.method_id != subject.id:
                continue
            strange = [port for port in stage.method.trains_on if port.kind in STRANGE or port.kind.startswith("x.")]
            if strange:
                return Skip(f"its port {strange[0].name} is a {strange[0].kind}, which nothing here can make up")
            given = {port.name: stage.shapes[port.name] for port in stage.method.trains_on if port.name in stage.shapes}
            found = MethodCase(
                extent=0,
                subject=subject,
                plan=plan,
                stage=stage,
                inputs=given,
                outputs={name: stage.shapes[name] for name in stage.outputs if name not in stage.extras},
            )
            return _called_once(found)
    return Skip(said)


def _called_once(one: MethodCase) -> MethodCase | Exception:
    """Return the case at the first size at which the method can be called."""
    said: list[str] = []
    for extent in EXTENTS:
        found = attrs.evolve(one, extent=extent)
        try:
            with torch.no_grad():
                found.call(found.build(), found.given())
        except Exception as error:
            said.append(str(error) if isinstance(error, ArmillaryError) else first_line(error))
        else:
            return found
    return Failure(f"it cannot be built and called as {one.plan.recipe.id} does: {said[0]}")
