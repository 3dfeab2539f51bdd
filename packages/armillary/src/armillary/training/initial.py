"""Weights of an existing run as the start of a new one, to fine-tune on other data."""

from collections.abc import Mapping
from typing import Any, Self

import attrs

from armillary.errors import RunError
from armillary.recipes.recipe import Recipe
from armillary.training import checkpoint as checkpoints
from armillary.training.build import Model
from armillary.training.folder import RunFolder


@attrs.define
class Initial:
    """The newest checkpoint of each stage of a run, and a record of the tensors that were copied.

    Args:
        name: name of the run's folder.
        recipe: recipe of that run.
        stages: stage to its newest good checkpoint.
        copied: stage of the new run to its number of copied tensors per slot.
    """

    name: str
    recipe: Recipe
    stages: Mapping[str, checkpoints.Checkpoint]
    copied: dict[str, dict[str, Any]] = attrs.field(factory=dict)

    @classmethod
    def read(cls, folder: RunFolder) -> Self:
        """Return the newest checkpoints of a run.

        Raises:
            RunError: the run has no good checkpoint.
        """
        recipe = folder.recipe()
        newest = {name: checkpoints.newest(folder.checkpoints(name))[0] for name in recipe.bodies}
        stages = {name: found for name, found in newest.items() if found is not None}
        if not stages:
            raise RunError(f"--init {folder.path}: this run has no good checkpoint; type the folder of a trained run")
        return cls(folder.path.resolve().name, recipe, stages)

    def load(self, model: Model, *, alone: bool) -> str:
        """Copy the weights that fit into a stage's model, and return a line for the user that lists them.

        Args:
            model: model of one stage of the new run.
            alone: the new run has no other stage; the weights then come from the serving stage, also if its name differs.

        Raises:
            RunError: weights for this stage exist, and none of them fits.
        """
        source = model.plan.name if model.plan.name in self.stages else self.recipe.serves if alone else ""
        if source not in self.stages:
            return f"stage {model.plan.name}: {self.name} has no such stage; it starts untrained"
        checkpoint = self.stages[source]
        copied, left = model.load_matching(checkpoint.weights())
        if not copied:
            raise RunError(
                f"--init {self.name}: none of its weights fits {model.plan.method_id} with the parts of this recipe; its slots: "
                f"{', '.join(sorted(self.recipe.bodies[source].get('slots', {})))}"
            )
        self.copied[model.plan.name] = {"step": checkpoint.step, "tensors": copied, "begun_anew": left}
        words = (
            f"starts from {self.name}, step {checkpoint.step}: {sum(copied.values())} tensors of {', '.join(copied)}"
        )
        anew = f"; {sum(left.values())} tensors of {', '.join(left)} start untrained" if left else ""
        return words + anew

    def record(self) -> dict[str, Any]:
        """Return the record for the new run's ``init.json``; it has no path of the other run."""
        return {"run": self.name, "recipe": self.recipe.id, "stages": self.copied}
