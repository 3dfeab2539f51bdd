"""Seeds derived from the seed of a run, and random streams that they decide. Light.

Parts draw from the generator that they are given. A part that has none, because it draws in its ``forward``, draws from the
global streams of torch, Python or numpy, which training seeds before each step, or by :func:`per_item`.
"""

import contextlib
import hashlib
import random
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    import torch


def seed_for(seed: int, *words: object) -> int:
    """Return the seed of the random stream that ``words`` name; the same on every machine."""
    text = "/".join(map(str, (seed, *words)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def seed_globals(seed: int) -> None:
    """Seed the global generators: torch's on the CPU and on every device, Python's and numpy's legacy one."""
    import numpy
    import torch

    torch.manual_seed(seed)
    random.seed(seed)
    numpy.random.seed(seed % 2**32)  # noqa: NPY002 (a plugin may draw from it)


@contextlib.contextmanager
def globals_kept(seed: int | None = None) -> Iterator[None]:
    """Restore the global generators at the end of the block.

    Args:
        seed: of the generators inside; None leaves them as they are.
    """
    import numpy
    import torch

    python, legacy = random.getstate(), numpy.random.get_state()  # noqa: NPY002
    cuda = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    try:
        with torch.random.fork_rng(devices=cuda):
            if seed is not None:
                seed_globals(seed)
            yield
    finally:
        random.setstate(python)
        numpy.random.set_state(legacy)  # noqa: NPY002


@attrs.define
class _Step:
    """The step under way: its seed, this process among all, and the number of draws so far."""

    seed: int
    rank: int
    processes: int
    draws: int = 0


_STEP: ContextVar[_Step | None] = ContextVar("step", default=None)


@contextlib.contextmanager
def step_seeded(seed: int, stage: str, step: int, *, rank: int = 0, processes: int = 1) -> Iterator[None]:
    """Seed the global generators from (seed, stage, step, rank), and make :func:`per_item` draw for this step inside."""
    seed_globals(seed_for(seed, stage, "step", step, rank))
    token = _STEP.set(_Step(seed_for(seed, stage, "items", step), rank, processes))
    try:
        yield
    finally:
        _STEP.reset(token)


def per_item(
    draw: "Callable[[int, torch.Generator], torch.Tensor]", items: int, *, generator: "torch.Generator | None" = None
) -> "torch.Tensor":
    """Return random values of this process's items, the same ones however many processes share the batch.

    >>> import torch
    >>> per_item(lambda count, generator: torch.rand(count, 2, generator=generator), 3).shape
    torch.Size([3, 2])

    Args:
        draw: number of items and generator to a tensor with one row per item.
        items: of this process.
        generator: of the whole batch; None: one of (seed, stage, step) in a training step, otherwise torch's global one.

    Returns:
        The rows of this process, on the generator's device.
    """
    import torch

    step = _STEP.get()
    if step is None:
        return draw(items, torch.default_generator if generator is None else generator)
    if generator is None:
        generator = torch.Generator().manual_seed(seed_for(step.seed, step.draws))
        step.draws += 1
    return draw(items * step.processes, generator)[items * step.rank : items * (step.rank + 1)]
