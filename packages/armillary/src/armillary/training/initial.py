"""Weights of a run that is there already, as the start of another one: fine-tuning to another data set."""

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
    """The newest checkpoints of a run, one a stage, and which of their tensors were taken over.

    Args:
        name: of the run's folder.
        recipe: of that run.
        stages: stage to its newest good checkpoint.
        taken: stage of the new run to what was taken over of each slot.
    """

    name: str
    recipe: Recipe
    stages: Mapping[str, checkpoints.Checkpoint]
    taken: dict[str, dict[str, Any]] = attrs.field(factory=dict)

    @classmethod
    def read(cls, folder: RunFolder) -> Self:
        """Return what a run has to give.

        Raises:
            RunError: it has no good checkpoint.
        """
        recipe = folder.recipe()
        newest = {name: checkpoints.newest(folder.checkpoints(name))[0] for name in recipe.bodies}
        stages = {name: found for name, found in newest.items() if found is not None}
        if not stages:
            raise RunError(f"--init {folder.path}: this run has no good checkpoint to begin from")
        return cls(folder.path.resolve().name, recipe, stages)

    def load(self, model: Model, *, alone: bool) -> str:
        """Copy what fits into a stage's model, and return a line that says what.

        Args:
            model: of one stage of the new run.
            alone: it has no other stage, so that it takes from the stage that serves whatever that one is called.

        Raises:
            RunError: there are weights for this stage, and none of them fits.
        """
        source = model.plan.name if model.plan.name in self.stages else self.recipe.serves if alone else ""
        if source not in self.stages:
            return f"stage {model.plan.name}: {self.name} has no such stage; it begins anew"
        checkpoint = self.stages[source]
        taken, left = model.load_matching(checkpoint.weights())
        if not taken:
            raise RunError(
                f"--init {self.name}: none of its weights fits {model.plan.method_id} as this recipe fills it; its slots: "
                f"{', '.join(sorted(self.recipe.bodies[source].get('slots', {})))}"
            )
        self.taken[model.plan.name] = {"step": checkpoint.step, "tensors": taken, "begun_anew": left}
        words = f"begins from {self.name}, step {checkpoint.step}: {sum(taken.values())} tensors of {', '.join(taken)}"
        anew = f"; {sum(left.values())} tensors of {', '.join(left)} begin anew" if left else ""
        return words + anew

    def record(self) -> dict[str, Any]:
        """Return what the new run remembers: never where the other one lies."""
        return {"run": self.name, "recipe": self.recipe.id, "stages": self.taken}
