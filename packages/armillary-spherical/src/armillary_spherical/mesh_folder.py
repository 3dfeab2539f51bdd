"""``spherical:mesh-folder``: a folder of meshes as a data set.

Its layouts are those of :mod:`armillary_spherical.mesh_paths`.

An item is ``id``, ``mesh`` (a :class:`~armillary_spherical.meshes.PosedMesh`, which no batch can stack: a transform turns it
into tensors) and ``class_label``. Meshes are about the origin, z up, inside the unit sphere.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

import torch
from attrs.validators import and_, ge, gt, in_, le, lt

from armillary import ports
from armillary.config import param
from armillary.data import folder as data_folder
from armillary.data.folder import DataFolder, Entry
from armillary.data.picture_file import SUFFIXES as PICTURE_SUFFIXES
from armillary.errors import DataError, did_you_mean
from armillary.interfaces import Dataset, Examination, Fingerprint
from armillary.rules import Distinct
from armillary.std.images import Images
from armillary_spherical.mesh_check import examine
from armillary_spherical.mesh_paths import assign_splits, category_of, scan
from armillary_spherical.meshes import SUFFIXES, PosedMesh, normalised, read_mesh

_BYTES = 24  # a vertex or a face
_MEGABYTE = 10**6
_SHOWN = 5


class Item(TypedDict):
    """One mesh."""

    id: str
    mesh: ports.Mesh
    class_label: NotRequired[ports.ClassLabel]


class MeshFolder(Dataset, name="mesh-folder", source="ours"):
    """A folder of OFF, OBJ, PLY or STL meshes by category, as ModelNet and ShapeNet lay it out.

    One split of it, every mesh of which is read once.

    Raises:
        DataError: no such folder, no mesh in it, none in this split, none that can be used, a category that is not there, a
            table that is wrong, a folder that is not finished, or, where ``strict``, a bad file.
    """

    endings = SUFFIXES

    up: Literal["z", "y"] = param(
        "z", help="axis of the files that points up: z in ModelNet, y in ShapeNet; in the world it is z"
    )
    centre: Literal["box", "centroid", "none"] = param(
        "box", help="what comes to the origin: middle of the bounding box, centroid of the surface, or nothing"
    )
    radius: float = param(
        1.0,
        unit="scene",
        source="s2cnn, examples/shrec17: scaled to the unit sphere",
        validator=and_(gt(0), le(1)),
        help="of the farthest vertex",
    )
    categories: tuple[str, ...] = param(
        (),
        validator=Distinct(),
        help="names of the folders to use, in the order of their labels; without them all, in alphabetical order",
    )
    split_by: Literal["auto", "file", "folder", "hash", "all"] = param(
        "auto",
        help="split.csv, else folders train/val/test above or below the category, else a hash of each path; all: every "
        "mesh in every split",
    )
    val: float = param(0.1, validator=and_(ge(0), lt(1)), help="part of the meshes in val, where the hash decides")
    test: float = param(
        0.1,
        validator=and_(ge(0), lt(1), data_folder.LEFT_FOR_TRAIN),
        help="part of the meshes in test, where the hash decides",
    )
    strict: bool = param(
        False, help="refuse the folder for one bad file; without it bad files are named and passed over"
    )
    cache_megabytes: int = param(2048, unit="MB", validator=ge(0), help="keep meshes in memory up to this much")
    picture_size: int = param(
        128, unit="pixel", validator=ge(2), help="side of a picture file that is given instead of a mesh, for predict"
    )
    picture_channels: int = param(1, validator=in_((1, 3)), help="of the same: 1 is grey")

    def setup(self) -> None:
        if self.split not in (*data_folder.SPLITS, "all"):
            raise DataError(f"unknown split {self.split!r}; it is one of {', '.join(data_folder.SPLITS)}, all")
        folder = self._folder = scan(Path(self.root))
        if folder.unfinished is not None:
            raise DataError(data_folder.unfinished_text(folder))
        self._splits = assign_splits(folder, self)
        self.categories = _categories(folder, self.categories)
        wanted = [entry for entry in folder.entries if not self.categories or category_of(entry.id) in self.categories]
        entries = self._splits.members(wanted, self.split)
        if not entries:
            counts = ", ".join(f"{name} {count}" for name, count in self._splits.counts().items())
            raise DataError(
                f"{folder.root}: no meshes for the split {self.split!r} (there are: {counts or 'none in any split'}); to use "
                "every mesh in every split type: --set data.split_by=all"
            )
        self._kept: dict[int, PosedMesh] = {}
        self._problems: list[str] = []
        self._notes: list[str] = []
        self._entries = self._read_all(entries)
        if not self._entries:
            shown = "\n  ".join(self._problems[:_SHOWN])
            raise DataError(f"{folder.root}: none of the meshes for the split {self.split!r} can be used\n  {shown}")

    @classmethod
    def read_file(cls, config: Any, path: Path) -> dict[str, Any]:
        """Return ``mesh`` of a mesh file, or ``image`` of a picture file, cut to a square; and ``id``.

        Raises:
            DataError: there is no such file, or it is neither.
        """
        path = Path(path)
        if path.suffix.lower() in SUFFIXES:
            return {"id": path.stem, "mesh": _placed(path, config)[0]}
        if path.suffix.lower() not in PICTURE_SUFFIXES:
            raise DataError(f"{path}: neither a mesh ({' '.join(SUFFIXES)}) nor a picture")
        item = Images.read_file(Images.Config(size=config.picture_size), path)
        if config.picture_channels == 1:
            item["image"] = item["image"].mean(dim=0, keepdim=True)
        return item

    @classmethod
    def examine(cls, config: Any, *, root: Path, progress: Callable[[int, int], None] | None = None) -> Examination:
        """Return what :func:`armillary_spherical.mesh_check.examine` finds.

        Raises:
            DataError: no such folder, or no mesh in it.
        """
        return examine(root, config, progress=progress)

    @property
    def ids(self) -> Sequence[str]:
        """Names of the items, in order."""
        return [entry.id for entry in self._entries]

    @property
    def provides(self) -> Mapping[str, ports.Shape]:
        """Ports that this folder offers; labels where it has categories."""
        return {"mesh": (), **({"class_label": ()} if self.categories else {})}

    @property
    def problems(self) -> Sequence[str]:
        """One line for each mesh that was refused."""
        return tuple(self._problems)

    @property
    def notes(self) -> Sequence[str]:
        """One line for each thing that was mended, or is worth knowing, of a mesh that is used."""
        return tuple(self._notes)

    @property
    def fixed_split(self) -> bool:
        """True where the folder itself says what is train and test."""
        return self._splits.fixed

    def fingerprint(self) -> Fingerprint:
        """Return what a run remembers of this folder."""
        return data_folder.fingerprint(self._folder)

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Item:
        """Return one item."""
        entry = self._entries[index]
        index = range(len(self._entries))[index]
        posed = self._kept.get(index)
        if posed is None:
            posed = _placed(self._folder.root / entry.path, self)[0]
        item: Item = {"id": entry.id, "mesh": posed}
        if self.categories:
            item["class_label"] = torch.tensor(self.categories.index(category_of(entry.id)))
        return item

    def _read_all(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return the entries whose mesh can be used; keep meshes while they fit."""
        good, room = [], self.cache_megabytes * _MEGABYTE
        for entry in entries:
            try:
                posed, notes = _placed(self._folder.root / entry.path, self)
            except DataError as error:
                if self.strict:
                    raise
                self._problems.append(str(error))
                continue
            self._notes += [f"{entry.path}: {note}" for note in notes]
            room -= _BYTES * (len(posed.mesh.vertices) + len(posed.mesh.faces))
            if room >= 0:
                self._kept[len(good)] = posed
            good.append(entry)
        return good


def _categories(folder: DataFolder, wanted: tuple[str, ...]) -> tuple[str, ...]:
    there = sorted({category_of(entry.id) for entry in folder.entries} - {""})
    unknown = [name for name in wanted if name not in there]
    if unknown:
        hint = did_you_mean(unknown[0], there) or f" it has: {', '.join(there) or 'no category'}"
        raise DataError(f"{folder.root}: no category {unknown[0]!r};{hint}")
    return wanted or tuple(there)


def _placed(path: Path, config: Any) -> tuple[PosedMesh, tuple[str, ...]]:
    """Return the mesh of a file, about the origin, and notes about it; ``config`` as of :func:`assign_splits`."""
    found = read_mesh(path)
    mesh = normalised(found.mesh, centre=config.centre, up=config.up, radius=config.radius)
    return PosedMesh(mesh, closed=found.closed), found.notes
