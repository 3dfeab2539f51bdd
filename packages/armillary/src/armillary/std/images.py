"""``std:images``: a folder of pictures as a data set, with the ground truth of the folder.

Every item is an upright RGB square of one size. Points, camera, depth and masks are converted with it. True depth is in scene
units; with depth comes ``true_mask``, which is false where the depth is not a number or the square extends beyond the picture. Bad
files are found when the data set is built, not in the middle of training.

With optical flow, a picture has a partner, placed in the same way. Some pictures have none: the last frame of a video, and in the
split ``train`` those whose partner is in another split, so that training never uses a picture for testing. A picture without
a partner is its own partner, with ``partner_valid`` false everywhere; :meth:`Images.restrict` to partner ports removes such
pictures.
"""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict, cast

import numpy as np
import torch
from attrs.validators import and_, deep_iterable, ge, le, lt, optional
from torch import Tensor

from armillary import ports
from armillary.config import param
from armillary.data import folder as data_folder
from armillary.data.folder import FLOW_FOLDER, RASTERS, DataFolder, Entry, Splits
from armillary.data.pairs import PAIR_PORTS
from armillary.data.picture_file import Picture, PictureError, picture_size, read_picture
from armillary.data.placing import (
    Placement,
    no_flow,
    place,
    place_colours,
    place_mask,
    placed_albedo,
    placed_coordinates,
    placed_depth,
    placed_flow,
    placed_landmarks,
    placed_normals,
)
from armillary.data.truth import (
    CHANNELS,
    LANDMARK_PORTS,
    NUMBER_PORTS,
    Truth,
    camera_of,
    check_size,
    read_array,
    read_flow,
)
from armillary.errors import DataError, did_you_mean
from armillary.interfaces.dataset import Dataset, Fingerprint
from armillary.ports import Shape
from armillary.rules import AtLeast, Holds

PORTS = ("image", "camera", *RASTERS, *NUMBER_PORTS, *LANDMARK_PORTS, *PAIR_PORTS)
"""All ports that a data folder can offer."""

_BYTES = {
    "image": 3,
    "true_depth": 4,
    "true_mask": 1,
    "true_normals": 12,
    "true_albedo": 3,
    "true_coordinates": 12,
    "partner_image": 3,
    "partner_grid": 8,
    "partner_valid": 1,
}  # bytes per pixel in memory
_PLACED: Mapping[str, Callable[[np.ndarray, np.ndarray, Placement], np.ndarray]] = {
    "true_depth": placed_depth,
    "true_normals": placed_normals,
    "true_albedo": placed_albedo,
    "true_coordinates": placed_coordinates,
}  # conversion of a raster and its mask to the square
_ENOUGH_PAIRS = 0.5  # share of pictures with a partner from which on partners are read by default
_MEGABYTE = 10**6
_SHOWN = 5


_COLOURS, _MAP = "batch 3 $size $size", "batch 1 $size $size"
_COLOUR = 255


class Item(TypedDict):
    """All ports of a data folder."""

    image: Annotated[ports.Image, _COLOURS]
    camera: NotRequired[ports.Camera]
    true_depth: NotRequired[Annotated[ports.Depth, ports.Of(shape=_MAP, frame="image")]]
    true_mask: NotRequired[Annotated[ports.Mask, ports.Of(shape=_MAP, frame="image")]]
    true_normals: NotRequired[Annotated[ports.Normals, ports.Of(shape=_COLOURS, frame="camera")]]
    true_albedo: NotRequired[Annotated[ports.Albedo, ports.Of(shape=_COLOURS, frame="image")]]
    true_pose: NotRequired[ports.Pose]
    true_light: NotRequired[Annotated[ports.Light, ports.Of(frame="camera")]]
    true_landmarks2d: NotRequired[ports.Landmarks2d]
    true_landmarks3d: NotRequired[Annotated[ports.Landmarks3d, ports.Of(frame="camera")]]
    true_visible: NotRequired[ports.Visibility]
    true_coordinates: NotRequired[Annotated[ports.CoordinateMap, ports.Of(shape=_COLOURS, frame="object")]]
    partner_image: NotRequired[Annotated[ports.Image, _COLOURS]]
    partner_grid: NotRequired[Annotated[ports.Grid, "batch $size $size 2"]]
    partner_valid: NotRequired[Annotated[ports.Mask, ports.Of(shape=_MAP, frame="image")]]


class Images(Dataset, name="images", source="ours"):
    """Folder of pictures, with depth, masks, landmarks and optical flow if the folder has them."""

    size: int = param(64, unit="pixel", validator=and_(ge(2), le(4096)), help="side of the square item")
    fit: Literal["center-crop", "squash", "pad"] = param(
        "center-crop", help="how a picture that is not square becomes one; pad fills with the background"
    )
    crop: int | None = param(
        None,
        unit="pixel",
        validator=and_(optional(ge(1)), Holds("crop is None or fit == 'center-crop'")),
        help="side of the centre crop, in pixels of the file; default: the largest square",
    )
    box: tuple[int, int, int, int] | None = param(
        None,
        unit="pixel",
        validator=optional(AtLeast((0, 0, 1, 1))),
        help="x, y, width, height of the part of each file to crop first; default: the whole picture",
    )
    split_by: Literal["auto", "file", "folder", "hash", "all"] = param(
        "auto",
        help="split.csv, else folders train/val/test, else a hash of each path; all: every picture in every split",
    )
    val: float = param(0.1, validator=and_(ge(0), lt(1)), help="part of the pictures in val, where the hash decides")
    test: float = param(
        0.1,
        validator=and_(ge(0), lt(1), data_folder.LEFT_FOR_TRAIN),
        help="part of the pictures in test, where the hash decides",
    )
    ports: tuple[str, ...] | None = param(
        None, help="ports to read beside the picture; default: all that every picture of the split has"
    )
    background: tuple[int, int, int] = param(
        (255, 255, 255),
        unit="sRGB, 0 to 255",
        validator=deep_iterable(and_(ge(0), le(_COLOUR))),
        help="colour behind transparency and around pad",
    )
    alpha_as_mask: bool = param(False, help="use the picture's transparency as true_mask if the mask file is missing")
    strict: bool = param(False, help="refuse the folder for one bad file; by default bad files are named and skipped")
    max_pixels: int = param(
        100_000_000, unit="pixel", validator=and_(ge(1), le(170_000_000)), help="larger pictures are refused undecoded"
    )
    cache_megabytes: int = param(
        2048, unit="MB", validator=ge(0), help="keep decoded items in memory if all of them fit in this size"
    )

    def setup(self) -> None:
        """Read every picture of the split once.

        Raises:
            DataError: the folder is missing, empty or unfinished, has no readable picture in this split, has a wrong table or
                lacks a port of the setting ``ports``; or, with ``strict``, a file is bad.
        """
        if self.split not in (*data_folder.SPLITS, "all"):
            raise DataError(f"unknown split {self.split!r}; it is one of {', '.join(data_folder.SPLITS)}, all")
        self._folder = folder = data_folder.scan(Path(self.root))
        if folder.unfinished is not None:
            raise DataError(data_folder.unfinished_text(folder))
        split = self.split
        self._splits = splits = data_folder.assign_splits(folder, rule=self.split_by, val=self.val, test=self.test)
        self._truth = Truth.read(folder)
        self._kept: dict[int, dict[str, Tensor]] = {}
        self._problems: list[str] = []
        entries = splits.members(folder.entries, split)
        if not entries:
            raise DataError(_empty_split(folder, splits, split))
        self._mask_files = False
        self._partners = self._usable_partners(split, entries)
        self._ports = self._choose_ports(entries)
        self._masking = sorted(self._ports & {"true_depth", "true_coordinates"})
        self._entries = self._read_all(entries)
        self._settle_pairs(entries)
        if not self._entries:
            raise DataError(_nothing_readable(folder.root, split, self._problems))

    @classmethod
    def read_file(cls, config: Any, path: Path) -> dict[str, Any]:
        """Return ``image`` and ``id`` of one picture file, placed as the pictures of a folder are, and ``window``.

        The window converts from pixels of the file to those of the image.

        Raises:
            DataError: the file is missing, or is not a readable picture.
        """
        if not path.is_file():
            raise DataError(f"{path}: no such file; type the path of a picture")
        picture = read_picture(path, background=config.background, max_pixels=config.max_pixels)
        placement = _placement(path, picture, config)
        placed = _channels_first(place_colours(picture.rgb, placement, background=config.background))
        return {"id": path.stem, "image": _usable(placed), "window": placement.window}

    @property
    def ids(self) -> Sequence[str]:
        """Return the pictures' paths without their suffix, sorted."""
        return [entry.id for entry in self._entries]

    @property
    def provides(self) -> Mapping[str, Shape]:
        """Return the ports that every item of this split has, with shapes of one item."""
        size, points = self.size, len(self._truth.landmarks.names) if self._truth.landmarks else 0
        shapes: dict[str, Shape] = {port: (channels, size, size) for port, channels in CHANNELS.items()}
        shapes |= {"camera": (3, 3), "true_pose": (3, 4), "true_light": (5,)}
        shapes |= {"partner_image": (3, size, size), "partner_grid": (size, size, 2), "partner_valid": (1, size, size)}
        shapes |= {"true_landmarks2d": (points, 2), "true_landmarks3d": (points, 3), "true_visible": (points,)}
        return {port: shapes[port] for port in PORTS if port in self._ports}

    @property
    def problems(self) -> Sequence[str]:
        """Return one line per skipped file, and per port that only some pictures have."""
        return tuple(self._problems)

    @property
    def fixed_split(self) -> bool:
        """Return whether ``split.csv`` or the folders' names define the splits."""
        return self._splits.fixed

    @property
    def split_counts(self) -> Mapping[str, int]:
        """Return the number of pictures in each split of the whole folder; empty without splits."""
        return self._splits.counts()

    @property
    def point_names(self) -> Sequence[str]:
        """Return the names of the landmarks, in the order of their rows."""
        return self._truth.landmarks.names if self._truth.landmarks else ()

    def restrict(self, ports: Collection[str]) -> None:
        """Read only these ports from now on; ports that the folder lacks are ignored.

        If partner ports are among them, pictures without a partner are removed.
        """
        self._ports = {port for port in self._ports if port in ports or port == "image"}
        for kept in self._kept.values():
            for port in set(kept) - self._ports:
                del kept[port]
        if self._ports & set(PAIR_PORTS):
            self._keep_pairs()

    def fingerprint(self) -> Fingerprint:
        """Return name, number of pictures, and a hash over all files' names and sizes and the contents of a few."""
        return data_folder.fingerprint(self._folder)

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Item:
        """Return one item: tensors by port name, and ``id``.

        Raises:
            DataError: a file beside the picture is damaged, or the picture changed since the data set was built.
            IndexError: the index is out of range.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"item {index} of {len(self)}")
        index %= len(self)
        kept = self._kept.get(index, {})
        missing = self._ports - set(kept)
        if missing:
            kept = kept | self._read(self._entries[index], missing)
            if self._fits_in_memory():
                self._kept[index] = kept
        item = {port: _usable(kept[port]) for port in PORTS if port in kept}
        return cast(Item, {"id": self._entries[index].id, **item})

    # --- what is there ---------------------------------------------------------------------------------------------

    def _choose_ports(self, entries: Sequence[Entry]) -> set[str]:
        requested = self.ports
        if requested is not None:
            for port in requested:
                if port not in PORTS:
                    raise DataError(
                        f"ports: a data folder has no {port!r};{did_you_mean(port, PORTS) or ' it has: ' + ', '.join(PORTS)}"
                    )
        ports = {"image"}
        for port in PORTS[1:] if requested is None else requested:
            count = sum(self._has(port, entry.id) for entry in entries)
            if count == len(entries) or (requested is not None and count):
                ports.add(port)
            elif requested is not None and port != "image":
                raise DataError(
                    f"{self._folder.root}: no picture has {port}; add it as {_place_of(port)}, or remove it from data.ports"
                )
            elif port in PAIR_PORTS and count >= _ENOUGH_PAIRS * len(entries):
                ports.add(port)  # _settle_pairs reports the number of partners after all files were checked
            elif count and port not in PAIR_PORTS[1:]:
                names = " and ".join(PAIR_PORTS) if port in PAIR_PORTS else "it"
                self._problems.append(
                    f"{port}: {count} of {len(entries)} pictures have it, so it is not read; "
                    f"to use only those pictures name {names} in data.ports"
                )
        self._mask_files = "true_mask" in ports
        if ports & {"true_depth", "true_coordinates"} or self.alpha_as_mask:
            ports.add("true_mask")
        return ports

    def _has(self, port: str, item: str) -> bool:
        if port == "image":
            return True
        if port in PAIR_PORTS:
            return item in self._partners
        if port in RASTERS:
            return self._folder.structured and self._folder.side_file(port, item).is_file()
        return self._truth.has(port, item)

    def _read_all(self, entries: Sequence[Entry]) -> list[Entry]:
        """Read every picture once, store it if all fit in memory, and return the good ones."""
        keep = self._fits_in_memory(len(entries))

        def attempt(entry: Entry) -> tuple[dict[str, Tensor] | None, str]:
            """Return the item to store, None for a bad picture; and the problem with the picture or its pair."""
            try:
                picture, item = self._check(entry)
            except PictureError as error:
                return None, self._line(error)
            try:
                self._check_pair(entry, picture)
            except PictureError as error:
                return item if keep else {}, self._line(error)
            return item if keep else {}, ""

        good: list[Entry] = []
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for entry, (item, problem) in zip(entries, pool.map(attempt, entries), strict=True):
                if problem:
                    self._refuse_or_note(problem)
                    self._partners.pop(entry.id, None)
                if item is None:
                    continue
                if keep:
                    self._kept[len(good)] = item
                good.append(entry)
        return good

    def _line(self, error: PictureError) -> str:
        return f"{error.path.relative_to(self._folder.root).as_posix()}: {error.reason}"

    def _refuse_or_note(self, problem: str) -> None:
        if self.strict:
            raise DataError(
                f"{self._folder.root}: {problem}; repair or remove the file, or leave out --strict to skip bad files "
                f"(all of them: armillary data check {self._folder.root})"
            )
        self._problems.append(problem)

    def _check(self, entry: Entry) -> tuple[Picture, dict[str, Tensor]]:
        """Return the picture, and the item with the picture alone, after a check of its other files."""
        needed = self._ports - {"image"}
        for port in sorted(needed):
            derived = port == "true_mask" and (self.alpha_as_mask or not self._mask_files)
            derived |= port in PAIR_PORTS  # checked by _check_pair
            if not derived and not self._has(port, entry.id):
                raise PictureError(self._folder.root / entry.path, f"has no {port} ({_place_of(port)})")
        picture = self._picture(entry)
        self._placement(entry, picture)
        for port in needed & {"true_depth", "true_normals", "true_coordinates"}:
            read_array(self._folder.side_file(port, entry.id), port, picture.rgb.shape[:2], header_only=True)
        return picture, {"image": self._image(entry, picture)}

    # --- pairs -------------------------------------------------------------------------------------------------------

    def _usable_partners(self, split: str, entries: Sequence[Entry]) -> dict[str, Entry]:
        """Return the partner of each picture with a partner and flow; in the split train, only partners in train."""
        pairs = self._truth.pairs
        if pairs is None:
            return {}
        members = {entry.id for entry in entries}
        partners = {entry.id: pairs.partner[entry.id] for entry in entries if pairs.has(entry.id)}
        if split == "train":
            partners = {item: partner for item, partner in partners.items() if partner.id in members}
        return partners

    def _check_pair(self, entry: Entry, picture: Picture) -> None:
        """Check a picture's flow file and its partner's size, if they will be read."""
        if entry.id in self._partners and self._ports & set(PAIR_PORTS):
            size = picture.rgb.shape[:2]
            read_flow(self._flow_file(entry), size, header_only=True)
            partner = self._partners[entry.id]
            path = self._folder.root / partner.path
            width, height = picture_size(path, max_pixels=self.max_pixels)
            self._check_partner(entry, size, partner, (height, width))

    def _check_partner(
        self, entry: Entry, size: tuple[int, ...], partner: Entry, partner_size: tuple[int, ...]
    ) -> None:
        if size != partner_size:
            sizes = f"is {size[1]} x {size[0]}, but its partner {partner.path} is {partner_size[1]} x {partner_size[0]}"
            raise PictureError(self._folder.root / entry.path, sizes)

    def _settle_pairs(self, entries: Sequence[Entry]) -> None:
        """Remove partners that cannot be read; if some are removed, note the number of pictures with a partner."""
        good = {entry.id for entry in self._entries}
        bad = {entry.id for entry in entries} - good
        self._partners = {x: partner for x, partner in self._partners.items() if x in good and partner.id not in bad}
        count, requested = len(self._partners), self.ports is not None
        pairs = self._truth.pairs
        if pairs and self._ports & set(PAIR_PORTS) and count < len(good & {*pairs.partner, *pairs.unknown}):
            used = "only these are used" if requested else "training on pairs uses only these"
            self._problems.append(f"partner_image: {count} of {len(good)} pictures have a partner to use; {used}")
        if requested and self._ports & set(PAIR_PORTS):  # a port named in data.ports: pictures without it are skipped
            self._keep_pairs()
        elif count == 0:
            self._ports -= set(PAIR_PORTS)

    def _keep_pairs(self) -> None:
        """Remove the pictures without a partner."""
        indices = [index for index, entry in enumerate(self._entries) if entry.id in self._partners]
        self._entries = [self._entries[index] for index in indices]
        self._kept = {new: self._kept[old] for new, old in enumerate(indices) if old in self._kept}

    def _flow_file(self, entry: Entry) -> Path:
        pairs = self._truth.pairs
        assert pairs is not None
        return pairs.flow[entry.id]

    def _pair(self, entry: Entry, picture: Picture, placement: Placement) -> dict[str, Tensor]:
        partner = self._partners.get(entry.id)
        if partner is None:
            grid, valid = no_flow(placement)
            return {"partner_image": self._image(entry, picture), "partner_grid": grid, "partner_valid": valid}
        size = picture.rgb.shape[:2]
        grid, valid = placed_flow(read_flow(self._flow_file(entry), size), placement)
        other = self._picture(partner)
        self._check_partner(entry, size, partner, other.rgb.shape[:2])
        image = self._image(partner, other)
        return {"partner_image": image, "partner_grid": grid, "partner_valid": valid}

    # --- reading one item ------------------------------------------------------------------------------------------

    def _picture(self, entry: Entry) -> Picture:
        return read_picture(self._folder.root / entry.path, background=self.background, max_pixels=self.max_pixels)

    def _placement(self, entry: Entry, picture: Picture) -> Placement:
        return _placement(self._folder.root / entry.path, picture, self)

    def _image(self, entry: Entry, picture: Picture) -> Tensor:
        placed = place_colours(picture.rgb, self._placement(entry, picture), background=self.background)
        return _channels_first(placed)

    def _read(self, entry: Entry, ports: Collection[str]) -> dict[str, Tensor]:
        picture = self._picture(entry)
        placement = self._placement(entry, picture)
        item: dict[str, Tensor] = {}
        if "image" in ports:
            item["image"] = self._image(entry, picture)
        if set(ports) & set(RASTERS):
            item |= self._rasters(entry, picture, placement, ports)
        if set(ports) & set(PAIR_PORTS):
            item |= self._pair(entry, picture, placement)
        item |= self._numbers(entry, placement, ports)
        return {port: value for port, value in item.items() if port in ports}

    def _rasters(
        self, entry: Entry, picture: Picture, placement: Placement, ports: Collection[str]
    ) -> dict[str, Tensor]:
        """Return the mask and the rasters of ``ports``; a pixel without depth or coordinates is outside the mask."""
        wanted = {*ports, *self._masking}
        found = {port: self._raster(port, entry, picture) for port in _PLACED if port in wanted}
        mask = self._mask(entry, picture)
        for port in self._masking:
            mask = mask & np.isfinite(found[port]).all(axis=0)
        item = {"true_mask": torch.from_numpy(np.array(place_mask(mask, placement))[None])}
        placed = {port: _PLACED[port](found[port], mask, placement) for port in found if port in ports}
        return item | {port: torch.from_numpy(values) for port, values in placed.items()}

    def _raster(self, port: str, entry: Entry, picture: Picture) -> np.ndarray:
        """Return ``[channel, height, width]`` float32 of the file of a port: a picture, or an array."""
        if RASTERS[port][1] == ".png":
            return self._side_picture(port, entry, picture).rgb.transpose(2, 0, 1).astype(np.float32)
        return read_array(self._folder.side_file(port, entry.id), port, picture.rgb.shape[:2])

    def _mask(self, entry: Entry, picture: Picture) -> np.ndarray:
        if (self._mask_files or self.alpha_as_mask) and self._has("true_mask", entry.id):
            return self._side_picture("true_mask", entry, picture).rgb[..., 0] > 127  # white counts
        if self.alpha_as_mask and picture.alpha is not None:
            return picture.alpha > 127
        return np.ones(picture.rgb.shape[:2], dtype=bool)

    def _side_picture(self, port: str, entry: Entry, picture: Picture) -> Picture:
        path = self._folder.side_file(port, entry.id)
        side = read_picture(path, max_pixels=self.max_pixels)
        check_size(path, side.rgb.shape[:2], picture.rgb.shape[:2])
        return side

    def _numbers(self, entry: Entry, placement: Placement, ports: Collection[str]) -> dict[str, Tensor]:
        truth, item = self._truth, {}
        camera = camera_of(truth, entry.id)
        if "camera" in ports and camera is not None:
            item["camera"] = placement.window.camera(torch.from_numpy(camera))
        if "true_pose" in ports and truth.poses is not None:
            values = torch.from_numpy(truth.poses[entry.id])
            item["true_pose"] = torch.cat((values[:9].reshape(3, 3), values[9:, None]), dim=1)
        if "true_light" in ports and truth.lights is not None:
            item["true_light"] = torch.from_numpy(truth.lights[entry.id])
        if truth.landmarks is not None and set(ports) & set(LANDMARK_PORTS):
            item |= placed_landmarks(truth.landmarks.values[entry.id], camera, placement)
        return item

    def _fits_in_memory(self, count: int | None = None) -> bool:
        pixels = self.size**2
        item = sum(pixels * _BYTES[port] for port in self._ports if port in _BYTES)
        return item * (len(self._entries) if count is None else count) <= self.cache_megabytes * _MEGABYTE


def _placement(path: Path, picture: Picture, config: Any) -> Placement:
    height, width = picture.rgb.shape[:2]
    try:
        return place(width=width, height=height, size=config.size, fit=config.fit, crop=config.crop, box=config.box)
    except ValueError as error:
        raise PictureError(path, str(error)) from error


def _channels_first(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(pixels.transpose(2, 0, 1), order="C"))


def _usable(kept: Tensor) -> Tensor:
    """Return bytes as [0, 1], other tensors as copies, so that a caller cannot change the stored values."""
    return kept.to(torch.float32) / 255 if kept.dtype == torch.uint8 else kept.clone()


# --- messages --------------------------------------------------------------------------------------------------------


def _place_of(port: str) -> str:
    if port in RASTERS:
        return f"{RASTERS[port][0]}/ID{RASTERS[port][1]}"
    if port == "camera":
        return "generator.json or cameras.csv"
    if port in PAIR_PORTS:
        return f"{FLOW_FOLDER}/ID.npy or {FLOW_FOLDER}/ID.flo, beside a partner (pairs.csv, or the next picture)"
    return f"{NUMBER_PORTS.get(port, 'landmarks')}.csv"


def _empty_split(folder: DataFolder, splits: Splits, split: str) -> str:
    counts = ", ".join(f"{name} {count}" for name, count in splits.counts().items()) or "none in any split"
    why = {
        "file": "split.csv lists none for it",
        "folder": "no folder is named so",
        "hash": "too few pictures, or its part is 0",
    }[splits.rule]
    return (
        f"{folder.root}: no pictures for the split {split!r} ({why}; there are: {counts}); to use every picture in every "
        "split type: --set data.split_by=all"
    )


def _nothing_readable(root: Path, split: str, problems: Sequence[str]) -> str:
    shown = "\n  ".join(problems[:_SHOWN])
    more = f"\n  and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return f"{root}: none of the pictures for the split {split!r} can be read; all of them: armillary data check {root}\n  {shown}{more}"
