"""Geometry for new pictures."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor

from armillary.config import structure
from armillary.data.folder import scan
from armillary.data.geometry import Window
from armillary.errors import DataError, RunError, did_you_mean
from armillary.inference.export import Mesh
from armillary.inference.meshes import mesh_from_depth
from armillary.inference.restore import Restored, kinds_of
from armillary.interfaces import Dataset, Transform
from armillary.plugins.host import Host
from armillary.recipes.plan import PartPlan, StagePlan
from armillary.seeds import seed_for
from armillary.training.batches import collate, to_device
from armillary.training.build import Model, build_transform, call_method


@attrs.frozen(kw_only=True, eq=False)
class Geometry:
    """Prediction for one picture. Each output of the method is an attribute: ``geometry.depth``.

    Args:
        id: the picture's name.
        image: input picture of the method; None if its input is something else, such as a mesh.
        outputs: tensors by port name, without the batch axis, on the CPU.
        kinds: kind of each port.
        file: file of the picture.
        window: conversion from pixels of the file to those of the image; None if the input is not a picture, or if unknown.
    """

    id: str
    image: Tensor | None
    outputs: Mapping[str, Tensor]
    kinds: Mapping[str, str]
    file: Path | None = None
    window: Window | None = None

    def __getattr__(self, name: str) -> Tensor:
        outputs = object.__getattribute__(self, "outputs")
        if name in outputs:
            return outputs[name]
        raise AttributeError(f"this method produces no {name!r}; it produces {', '.join(outputs)}")

    def mesh(self, *, texture: str = "") -> Mesh:
        """Return the surface with its texture, from the canonical view if the method has one, else from the picture's.

        Args:
            texture: output to use as texture; default: the canonical image, the albedo, or the picture.

        Raises:
            RunError: the method produces no depth, or has no such output.
        """
        canonical = "canonical_depth" in self.outputs
        depth = self.outputs.get("canonical_depth", self.outputs.get("depth"))
        camera = self.outputs.get("canonical_camera" if canonical else "camera")
        if depth is None or camera is None:
            raise RunError(f"{self.id}: this method produces no depth with a camera, so there is no mesh to export")
        choices = [texture] if texture else ["canonical_image", "albedo", "image"] if canonical else ["image"]
        everything = {**self.outputs, **({} if self.image is None else {"image": self.image})}
        for name in choices:
            if name in everything:
                paint = everything[name].clamp(0.0, 1.0)
                if paint.shape != (3, *depth.shape[-2:]):
                    shown = [key for key, value in everything.items() if value.shape == (3, *depth.shape[-2:])]
                    raise RunError(
                        f"--texture {name}: not a picture of the depth's size; type one of: {', '.join(shown)}"
                    )
                return mesh_from_depth(depth, paint, camera, lit=name == "albedo")
        hint = did_you_mean(texture, everything) or f" there are {', '.join(everything)}"
        raise RunError(f"--texture {texture}: no such output;{hint}")

    def arrays(self) -> dict[str, np.ndarray]:
        """Return every output, and the picture, as arrays."""
        shown = {} if self.image is None else {"image": self.image}
        return {name: value.numpy() for name, value in {**shown, **self.outputs}.items()}


def picture_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files among ``paths``, and the pictures of the data folders among them.

    Raises:
        DataError: a path does not exist, or a folder has no pictures.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [path / entry.path for entry in scan(path).entries]
            if not inside:
                raise DataError(f"{path}: no picture is finished yet; to make the rest, type: armillary data make")
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            raise DataError(f"{path}: no such file or folder; type a picture or a folder of pictures")
    return files


def predict(
    restored: Restored,
    files: Sequence[Path],
    *,
    host: Host,
    device: torch.device | None = None,
    refused: Callable[[Path, DataError], None] | None = None,
) -> Iterator[Geometry]:
    """Yield one result per picture, in order, with distinct names (see :func:`distinct_names`).

    Args:
        restored: stage of a run.
        files: pictures.
        host: source of parts.
        device: device of the networks.
        refused: called with a file that cannot be read, which is then skipped; by default the error is raised.

    Raises:
        DataError: a file cannot be read, or the method needs more than a picture.
    """
    reader = FileReader(restored, host)
    size = reader.stage.body.get("batch_size", 1)
    names = distinct_names(files)
    for start in range(0, len(files), size):
        samples = []
        for file, name in list(zip(files, names, strict=True))[start : start + size]:
            try:
                sample = reader.read(file, name=name)
            except DataError as error:
                if refused is None:
                    raise
                refused(file, error)
                continue
            samples.append(reader.ready(sample, file=file))
        for alike in _alike(samples):
            yield from geometries(restored.model, collate(alike), device=device or torch.device("cpu"))


class FileReader:
    """Reader of single files, by a stage's data set and transforms, into inputs of its method.

    Args:
        restored: the stage.
        host: source of its data set and transforms.

    Raises:
        RunError: the stage has no data set.
    """

    def __init__(self, restored: Restored, host: Host) -> None:
        self.stage = stage = restored.model.plan
        if stage.data is None:
            raise RunError(
                f"stage {stage.name} has no data set to read pictures with; train with: --set data.use=std:images"
            )
        resolved = host.resolve(stage.data.spec)
        self._config = structure(stage.data.settings, resolved.config)
        self._dataset: type[Dataset] = resolved.cls
        self._makers = [(part, build_transform(host, part)) for part in stage.transforms if part.spec.per == "item"]

    def read(self, file: Path, *, name: str) -> dict[str, Any]:
        """Return a file as an item of the data set.

        Raises:
            DataError: the file cannot be read.
        """
        return {**self._dataset.read_file(self._config, file), "id": name, "file": file}

    def ready(self, sample: dict[str, Any], *, file: Path) -> dict[str, Any]:
        """Return an item with the method's input ports, by transforms that make them (a mesh is cast to the sphere).

        Transforms that only augment are not applied: an item with an input port already is returned unchanged.

        Raises:
            DataError: the method needs more than the file has.
        """
        ports = self.stage.method.predicts_from
        sample = _made(sample, self.stage, self._makers)
        needs = [port.name for port in ports if not port.optional and port.name not in sample]
        if needs or not any(port.name in sample for port in ports):
            raise DataError(
                f"{file}: {self.stage.method_id} predicts from {', '.join(needs or [port.name for port in ports])}, which is not in "
                "this file; type a file that has it"
            )
        return sample


def _made(sample: dict[str, Any], stage: StagePlan, makers: Sequence[tuple[PartPlan, Transform]]) -> dict[str, Any]:
    wanted = {port.name for port in stage.method.predicts_from}
    for part, transform in makers:
        if wanted & set(sample):
            break
        if wanted & part.gives and part.needs <= set(sample):
            generator = torch.Generator().manual_seed(seed_for(0, "predict", sample["id"]))
            sample = transform(sample, kinds={name: p.kind for name, p in stage.batch.items()}, generator=generator)
    return sample


def _alike(samples: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield runs of neighbours with equal ports, since a picture and a mesh cannot be in one batch."""
    for _, group in itertools.groupby(samples, key=lambda sample: sorted(map(str, sample))):
        yield list(group)


def distinct_names(files: Sequence[Path]) -> list[str]:
    """Return a distinct name per file: its stem, with its folder or a number if several files have that stem."""
    names: dict[str, None] = {}
    stems = Counter(file.stem for file in files)
    for file in files:
        name = file.stem if stems[file.stem] == 1 else f"{file.absolute().parent.name}-{file.stem}"
        number, candidate = 1, name
        while candidate in names or (candidate != file.stem and candidate in stems):
            number, candidate = number + 1, f"{name}-{number + 1}"
        names[candidate] = None
    return list(names)


def geometries(model: Model, batch: dict[str, Any], *, device: torch.device) -> Iterator[Geometry]:
    """Yield the prediction of a model, in eval mode, for each item of a batch."""
    batch = to_device(batch, device)
    with torch.no_grad():
        outputs = call_method(model, batch, predict=True)
    kinds = kinds_of(model)
    for index, id in enumerate(batch["id"]):
        yield Geometry(
            id=id,
            image=batch["image"][index].cpu() if "image" in batch else None,
            outputs={name: value[index].detach().cpu() for name, value in outputs.items()},
            kinds=kinds,
            file=batch["file"][index] if "file" in batch else None,
            window=batch["window"][index] if "window" in batch else None,
        )


def write_prediction(geometry: Geometry, out: Path) -> list[Path]:
    """Write one picture's results: ``ID.npz`` with every output, and PNG files of the outputs that can be drawn.

    Raises:
        RunError: the disk is full or cannot be written.
    """
    from armillary.drawing.pictures import prediction_pictures
    from armillary.drawing.sheets import write_png
    from armillary.files import atomic

    written = [out / f"{geometry.id}.npz"]
    out.mkdir(parents=True, exist_ok=True)
    with atomic(written[0]) as draft, draft.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **geometry.arrays())
    for name, shown in prediction_pictures(geometry.outputs, geometry.kinds, image=geometry.image).items():
        written.append(write_png(out / f"{geometry.id}.{name}.png", shown))
    return written
