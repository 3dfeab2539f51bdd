"""The recipes."""

from armillary.specs import Budget, LossUse, RecipeSpec, Use

PAPER = RecipeSpec(
    name="paper",
    summary="every picture by one colour",
    source="ours",
    method="sound:colouring",
    slots={"encoder": Use("sound:mean"), "head": Use("sound:plain")},
    data=Use("sound:pictures", settings={"size": 16}),
    generator=Use("sound:colours"),
    losses={"square": LossUse("sound:square", weight=1.0)},
    optimiser={"use": "adam", "lr": 1e-2},
    budget=Budget(steps=100),
    batch_size=8,
)
BRIGHT = RecipeSpec(
    name="bright",
    extends="sound:paper",
    summary="bright colours alone",
    source="ours",
    generator=Use("sound:colours", settings={"darkest": 0.5}),
)
SMOKE = RecipeSpec(
    name="smoke", extends="sound:paper", summary="cut to a moment", source="ours", budget=Budget(steps=5)
)

RECIPES = (PAPER, BRIGHT, SMOKE)
