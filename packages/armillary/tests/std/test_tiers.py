"""Claims of ``tiers.py``: two patches, each of the tier above it."""

from armillary.specs import Use
from armillary.std.tiers import demo, smoke


def test_each_tier_is_a_patch_of_the_one_above():
    last = smoke("faces", slots={"encoder": Use("faces:small")}, size=16, source="ours: the smallest")
    assert last.extends == "faces:demo"
    first = demo("faces", steps=900, source="ours: 80 s", remove=("evaluators.slow",))
    assert (first.name, first.extends, first.remove) == ("demo", "faces:quick", ("evaluators.slow",))


def test_numbers_keep_their_sources():
    body, sources = smoke("faces", slots={}, size=16, source="ours: the smallest").table()
    assert (body["data"]["settings"]["size"], body["batch_size"], body["budget"]["steps"]) == (16, 8, 20)
    assert sources["data.settings.size"] == "ours: the smallest"
    body, sources = demo("faces", steps=900, source="ours: 80 s").table()
    assert (body["budget"]["steps"], sources["budget.steps"]) == (900, "ours: 80 s")
