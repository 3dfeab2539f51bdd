"""What a data folder holds, which split a picture belongs to, and how a folder that cannot be used is refused."""

import json
import os

import pytest

from armillary.data.folder import Names, assign_splits, fingerprint, scan
from armillary.errors import DataError


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def ids(folder):
    return [entry.id for entry in folder.entries]


def splits(root, **settings):
    return assign_splits(scan(root), **{"val": 0.1, "test": 0.1, **settings})


# --- what is there ---------------------------------------------------------------------------------------------------


def test_a_flat_folder_of_pictures_in_any_case_and_format(tmp_path):
    touch(tmp_path, "b.JPG", "a.png", "c.webp", "notes.txt", ".hidden.png", "__MACOSX/a.png")
    folder = scan(tmp_path)
    assert ids(folder) == ["a", "b", "c"]
    assert [entry.path for entry in folder.entries] == ["a.png", "b.JPG", "c.webp"]
    assert not folder.structured
    assert folder.unfinished is None


def test_a_nested_folder_keeps_its_paths(tmp_path):
    assert ids(scan(touch(tmp_path, "x/1.png", "y/z/1.png"))) == ["x/1", "y/z/1"]


def test_pictures_of_one_name_keep_their_suffix(tmp_path):
    assert ids(scan(touch(tmp_path, "a.jpg", "a.png", "b.png"))) == ["a.jpg", "a.png", "b"]


def test_a_structured_folder_takes_pictures_from_images_only(tmp_path):
    folder = scan(touch(tmp_path, "images/a.png", "mask/a.png", "cover.png"))
    assert ids(folder) == ["a"]
    assert folder.entries[0].path == "images/a.png"
    assert folder.side_file("true_depth", "a") == tmp_path / "depth/a.npy"


def test_links_are_followed_once(tmp_path):
    touch(tmp_path / "real", "a.png")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "back").symlink_to(tmp_path / "data")
    assert ids(scan(tmp_path / "data")) == ["link/a"]


def test_names_are_found_however_they_are_written(tmp_path):
    names = Names(scan(touch(tmp_path, "images/x/a.png")).entries)
    assert {names.find(name) for name in ("x/a", "x/a.png", "images/x/a.png", " x\\a ")} == {"x/a"}
    assert names.find("a") is None


# --- refusals --------------------------------------------------------------------------------------------------------


def test_no_such_folder_says_what_to_type(tmp_path):
    with pytest.raises(DataError, match=r"faces: no such folder; .*--data FOLDER"):
        scan(tmp_path / "faces")


def test_a_file_instead_of_a_folder(tmp_path):
    touch(tmp_path, "a.png")
    with pytest.raises(DataError, match="this is a file") as caught:
        scan(tmp_path / "a.png")
    assert f"--data {tmp_path}" in str(caught.value)


@pytest.mark.parametrize("sub", ["", "images"])
def test_an_empty_folder(tmp_path, sub):
    (tmp_path / sub).mkdir(exist_ok=True)
    with pytest.raises(DataError, match=r"the folder is empty; put pictures there .*armillary data make"):
        scan(tmp_path)


def test_a_folder_without_pictures_says_what_is_there(tmp_path):
    touch(tmp_path, "a.txt", "b.txt", "c.mat", "LICENSE")
    with pytest.raises(DataError, match=r"no picture among 4 files \(2 x .txt, 1 x .*\); pictures end in .*\.png"):
        scan(tmp_path)


def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"cannot be read.*Permission denied"):
        scan(tmp_path)


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_generator_json_that_is_none(tmp_path, text):
    touch(tmp_path, "images/a.png")
    (tmp_path / "generator.json").write_text(text)
    with pytest.raises(DataError, match=r"generator.json: .*JSON"):
        scan(tmp_path)


# --- splits ----------------------------------------------------------------------------------------------------------


def test_folders_named_train_val_test_are_splits(tmp_path):
    touch(tmp_path, "train/a.png", "Validation/b.png", "test/x/c.png")
    result = splits(tmp_path)
    assert result.of == {"train/a": "train", "Validation/b": "val", "test/x/c": "test"}
    assert (result.rule, result.fixed) == ("folder", True)
    assert result.counts() == {"train": 1, "val": 1, "test": 1}


def test_a_picture_outside_the_split_folders_belongs_to_none(tmp_path):
    touch(tmp_path, "train/a.png", "test/b.png", "cover.png")
    result = splits(tmp_path)
    assert "cover" not in result.of
    assert [entry.id for entry in result.members(scan(tmp_path).entries, "train")] == ["train/a"]


def test_one_folder_named_test_among_others_is_no_split(tmp_path):
    touch(tmp_path, "cats/a.png", "test/b.png", "dogs/c.png")
    assert splits(tmp_path).rule == "hash"


def test_split_csv_comes_first(tmp_path):
    touch(tmp_path, "train/a.png", "train/b.png", "c.png")
    (tmp_path / "split.csv").write_text("id,split\ntrain/a,test\nc.png,Train\nnobody,val\n")
    result = splits(tmp_path)
    assert result.of == {"train/a": "test", "c": "train"}
    assert (result.rule, result.fixed) == ("file", True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,split\na,trian\n", r"split.csv, line 2: unknown split 'trian'; did you mean 'train'\?"),
        ("id,part\na,train\n", r"split.csv, line 1: needs the columns id, split; split missing, has id, part"),
        ("id,split\na,train,x\n", "line 2: 3 cells where the header has 2"),
        ("", "has nothing"),
    ],
)
def test_a_split_csv_that_is_wrong(tmp_path, text, message):
    touch(tmp_path, "a.png")
    (tmp_path / "split.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        splits(tmp_path)


def test_a_rule_without_its_file_or_folders(tmp_path):
    touch(tmp_path, "a.png")
    with pytest.raises(DataError, match=r"split.csv: no such file"):
        splits(tmp_path, rule="file")
    with pytest.raises(DataError, match=r"not in folders named train, val or test; .*data.split_by=hash"):
        splits(tmp_path, rule="folder")


def test_the_hash_gives_the_parts_that_were_asked_for(tmp_path):
    touch(tmp_path, *(f"{index}.png" for index in range(3000)))
    counts = splits(tmp_path, val=0.2, test=0.1).counts()
    assert abs(counts["val"] - 600) < 90  # four standard deviations
    assert abs(counts["test"] - 300) < 66
    assert sum(counts.values()) == 3000


def test_more_pictures_do_not_move_those_that_were_there(tmp_path):
    touch(tmp_path, *(f"{index}.png" for index in range(100)))
    before = splits(tmp_path).of
    touch(tmp_path, *(f"new{index}.png" for index in range(100)))
    after = splits(tmp_path).of
    assert {item: after[item] for item in before} == before


def test_the_frames_of_a_clip_stay_together(tmp_path):
    """A frame of a made video shows its partner: apart, one of the two would be seen in training and in the test."""
    touch(tmp_path / "images", *(f"{index:06d}.png" for index in range(600)))
    (tmp_path / "generator.json").write_text('{"clip": 20}')
    found = splits(tmp_path)
    clips = [{found.of[f"{index:06d}"] for index in range(first, first + 20)} for first in range(0, 600, 20)]
    assert all(len(clip) == 1 for clip in clips)
    assert set.union(*clips) == {"train", "val", "test"}


def test_the_hash_is_the_same_everywhere(tmp_path):
    """By hand: blake2b of the id, eight bytes, over 2^64; below 0.1 is test, below 0.2 val."""
    touch(tmp_path, *(f"{index}.png" for index in range(30)))
    of = splits(tmp_path).of
    assert sorted(item for item in of if of[item] == "test") == GOLDEN_TEST


GOLDEN_TEST = ["18", "29"]


@pytest.mark.parametrize("count", [3, 4, 10])
@pytest.mark.parametrize("start", range(0, 60, 10))
def test_no_split_of_a_small_folder_stays_empty(tmp_path, count, start):
    touch(tmp_path, *(f"{start + index}.png" for index in range(count)))
    result = splits(tmp_path)
    assert set(result.counts()) == {"train", "val", "test"}
    assert sum(result.counts().values()) == count


def test_a_split_that_is_not_wanted_stays_empty(tmp_path):
    touch(tmp_path, *(f"{index}.png" for index in range(50)))
    assert set(splits(tmp_path, val=0).counts()) == {"train", "test"}


def test_one_or_two_pictures_are_for_training(tmp_path):
    touch(tmp_path, "a.png", "b.png")
    assert splits(tmp_path).counts() == {"train": 2}


def test_all_puts_every_picture_in_every_split(tmp_path):
    touch(tmp_path, "train/a.png", "test/b.png")
    result = splits(tmp_path, rule="all")
    assert len(result.members(scan(tmp_path).entries, "test")) == 2
    assert not result.fixed


# --- fingerprint -----------------------------------------------------------------------------------------------------


def test_a_fingerprint_does_not_know_where_the_folder_lies(tmp_path):
    one = touch(tmp_path / "one" / "faces", "a.png", "b.png")
    other = touch(tmp_path / "other" / "faces", "a.png", "b.png")
    assert fingerprint(scan(one)) == fingerprint(scan(other))
    assert fingerprint(scan(one)).name == "faces"
    assert fingerprint(scan(one)).count == 2
    assert str(tmp_path) not in repr(fingerprint(scan(one)))


@pytest.mark.parametrize("change", ["content", "name", "more", "table", "pairs"])
def test_a_fingerprint_notices(tmp_path, change):
    touch(tmp_path, "images/a.png", "images/b.png")
    before = fingerprint(scan(tmp_path)).digest
    if change == "content":
        (tmp_path / "images/a.png").write_bytes(b"images/x.png")  # as long as before
    elif change == "name":
        (tmp_path / "images/a.png").rename(tmp_path / "images/c.png")
    elif change == "more":
        touch(tmp_path, "images/c.png")
    elif change == "pairs":
        (tmp_path / "pairs.csv").write_text("id,partner\na,b\n")
    else:
        (tmp_path / "generator.json").write_text(json.dumps({"camera": 1}))
    assert fingerprint(scan(tmp_path)).digest != before
