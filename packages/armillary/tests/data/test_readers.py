"""Which data set is asked about a folder, by the endings of its files; nothing is imported before that."""

from types import SimpleNamespace

import attrs
import pytest

from armillary.data.readers import examine_all, has_pictures, readers
from armillary.errors import DataError
from armillary.interfaces.dataset import Examination, Finding
from armillary.std.images import Images


@attrs.frozen(kw_only=True)
class Settings:
    size: int = 3


class Notes:
    @classmethod
    def examine(cls, config, *, root, progress=None):
        assert progress is not None
        progress(1, 1)
        return Examination(name=root.name, facts={"size": config.size}, findings=(Finding("a.txt", "is short"),))


class Host:
    """Two data sets, one of which says what it reads."""

    resolved = 0

    def components(self, kind):
        assert kind == "dataset"
        return {"toy:notes": SimpleNamespace(endings=(".txt", ".md")), "std:images": SimpleNamespace(endings=())}

    def component(self, kind, id):
        return self.components(kind)[id]

    def resolve(self, spec):
        Host.resolved += 1
        return SimpleNamespace(cls=Notes, config=Settings)


@pytest.mark.parametrize(("name", "found"), [("sub/a.TXT", ["toy:notes"]), ("a.md", ["toy:notes"]), ("a.png", []),
                                             (".hidden/a.txt", []), (".a.txt", []), ("txt", [])])  # fmt: skip
def test_a_data_set_is_found_by_endings(tmp_path, name, found):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("x")
    before = Host.resolved
    assert readers(Host(), tmp_path) == found
    assert Host.resolved == before
    assert has_pictures(tmp_path) == name.endswith(".png")


def test_it_says_what_is_wrong(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    seen = []
    found = examine_all(Host(), tmp_path, progress=lambda *counts: seen.append(counts))
    assert list(found) == ["toy:notes"]
    assert found["toy:notes"].facts == {"size": 3}
    assert found["toy:notes"].ok is False
    assert found["toy:notes"].plain()["findings"] == ({"path": "a.txt", "text": "is short", "severity": "error"},)
    assert seen == [(1, 1)]


def test_warnings_do_not_count():
    assert Examination(name="a", facts={}, findings=(Finding("a", "b", "warning"),)).ok


def test_a_data_set_that_cannot_say_is_refused(tmp_path):
    with pytest.raises(DataError, match="Images does not say what is wrong"):
        Images.examine(None, root=tmp_path)
