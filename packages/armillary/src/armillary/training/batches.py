"""Batches as a function of the step alone, so that a resumed run gets the batches of an uninterrupted one.

Items come in one permutation after the other; permutation e is drawn from (seed, e), and step s uses the items from
``s * batch_size`` on. The transforms of an item draw from (seed, epoch, item), those of a batch from (seed, step). Global
generators are seeded in the same way, in this process and in workers, for code that draws from them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from armillary.errors import DataError
from armillary.interfaces import Dataset, Transform
from armillary.seeds import globals_kept, seed_for, seed_globals

_ROOM = 4 * 2**30  # bytes of samples in memory; a sample beyond it is drawn again, with the same seed and values


class StepBatches(torch.utils.data.Dataset):
    """Batches on the CPU, indexed by step.

    Args:
        dataset: the training split.
        transforms: item transforms, in order.
        kinds: kind of each port.
        batch_size: items per step, over all processes.
        steps: length of the whole training.
        seed: seed of the order of items and of the transforms' draws.
        rank: rank of this process.
        processes: number of processes; each one loads an equal share of a batch.
        draws: number of epochs with draws of their own: epoch ``e`` repeats the transforms' draws of epoch ``e % draws``, from
            memory up to a limit. None draws anew in each epoch. The order of items is drawn anew in either case.
    """

    def __init__(
        self,
        dataset: Dataset,
        transforms: Sequence[Transform],
        *,
        kinds: Mapping[str, str],
        batch_size: int,
        steps: int,
        seed: int,
        rank: int = 0,
        processes: int = 1,
        draws: int | None = None,
    ) -> None:
        if batch_size % processes:
            raise DataError(
                f"batch_size: {batch_size} is not divisible by the number of processes, {processes}; type: "
                f"--set batch_size={processes * max(1, batch_size // processes)}"
            )
        self._dataset, self._transforms, self._kinds = dataset, list(transforms), dict(kinds)
        self._batch_size, self._steps, self._seed = batch_size, steps, seed
        self._rank, self._processes = rank, processes
        self._draws, self._kept, self._room = draws, dict[tuple[int, int], dict[str, Any]](), _ROOM
        self._order: tuple[int, torch.Tensor] = (-1, torch.empty(0))

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> dict[str, Any]:
        share = self._batch_size // self._processes
        first = step * self._batch_size + self._rank * share
        samples = []
        with globals_kept():
            for position in range(first, first + share):
                epoch, index = divmod(position, len(self._dataset))
                samples.append(self._sample(epoch, int(self._permutation(epoch)[index])))
        return collate(samples)

    def _sample(self, epoch: int, item: int) -> dict[str, Any]:
        if self._draws is None:
            return self._draw(epoch, item)
        key = epoch % self._draws, item
        if key not in self._kept:
            sample = self._draw(*key)
            self._room -= sum(value.nbytes for value in sample.values() if isinstance(value, torch.Tensor))
            if self._room < 0:
                return sample
            self._kept[key] = sample
        return self._kept[key]

    def _draw(self, epoch: int, item: int) -> dict[str, Any]:
        seed = seed_for(self._seed, "item", epoch, item)
        seed_globals(seed)
        sample = self._dataset[item]
        generator = torch.Generator().manual_seed(seed)
        for transform in self._transforms:
            sample = transform(sample, kinds=self._kinds, generator=generator)
        return sample

    def _permutation(self, epoch: int) -> torch.Tensor:
        if self._order[0] != epoch:
            generator = torch.Generator().manual_seed(seed_for(self._seed, "order", epoch))
            self._order = (epoch, torch.randperm(len(self._dataset), generator=generator))
        return self._order[1]


def training_batches(batches: StepBatches, *, first: int, workers: int) -> Iterator[dict[str, Any]]:
    """Yield the batches from step ``first`` on, prefetched by ``workers`` processes (0: loaded in this process)."""
    loader = torch.utils.data.DataLoader(
        batches,
        batch_size=None,
        sampler=range(first, len(batches)),
        num_workers=workers,
        generator=torch.Generator().manual_seed(0),
        persistent_workers=False,
    )
    yield from loader


def ordered_batches(
    dataset: Dataset, *, batch_size: int, change: Callable[[dict[str, Any]], dict[str, Any]] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield all items once, in order, each through ``change``; the last batch may be smaller."""
    for start in range(0, len(dataset), batch_size):
        samples = [dataset[index] for index in range(start, min(start + batch_size, len(dataset)))]
        yield collate([change(sample) for sample in samples] if change else samples)


def collate(samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one batch: stacked tensors, other values as lists. Ports missing from any sample are left out."""
    shared = [key for key in samples[0] if all(key in sample for sample in samples)]
    batch: dict[str, Any] = {}
    for key in shared:
        values = [sample[key] for sample in samples]
        if isinstance(values[0], torch.Tensor):
            shapes = {tuple(value.shape) for value in values}
            if len(shapes) > 1:
                ids = ", ".join(str(sample.get("id")) for sample in samples[:4])
                raise DataError(f"items {ids} ...: {key} has different shapes: {sorted(shapes)}")
            batch[key] = torch.stack(values)
        else:
            batch[key] = values
    return batch


def to_device(batch: Mapping[str, Any], device: torch.device, *, channels_last: bool = False) -> dict[str, Any]:
    """Return the batch on ``device``."""
    moved: dict[str, Any] = {}
    for key, value in batch.items():
        if isinstance(value, torch.Tensor):
            value = value.to(device, non_blocking=True)
            if channels_last and value.dim() == 4 and value.shape[1] == 3:
                value = value.contiguous(memory_format=torch.channels_last)
        moved[key] = value
    return moved
