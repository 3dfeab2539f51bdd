"""Optimisers and schedules from settings."""

import fnmatch
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from armillary.errors import RecipeError
from armillary.recipes.settings import OptimiserConfig, ScheduleConfig


def build_optimiser(
    parameters: Mapping[str, torch.nn.Parameter], config: OptimiserConfig, *, fused: bool
) -> torch.optim.Optimizer:
    """Return one optimiser over ``parameters``, grouped by the config's globs over their names.

    Raises:
        RecipeError: there is nothing to train, or a glob matches nothing.
    """
    if not parameters:
        raise RecipeError(["optimiser: nothing to train: every part is frozen or has no weights; set budget.steps=0"])
    groups: dict[str, list[torch.nn.Parameter]] = {"": []}
    used: set[str] = set()
    for name, parameter in parameters.items():
        matching = [glob for glob in (config.groups or {}) if fnmatch.fnmatchcase(name, glob)]
        used.update(matching)
        # The last glob wins, as a later line of a file does.
        groups.setdefault(matching[-1] if matching else "", []).append(parameter)
    for glob in config.groups or {}:
        if glob not in used:
            slots = sorted({name.rpartition(".")[0] for name in parameters})
            raise RecipeError([f"optimiser.groups.{glob}: matches no parameter; there are {', '.join(slots)}"])
    tables: list[dict[str, Any]] = [
        {"params": members, **(config.groups or {}).get(glob, {})} for glob, members in groups.items() if members
    ]
    for table in tables:
        table["base_lr"] = table.setdefault("lr", config.lr)
    if config.use == "sgd":
        return torch.optim.SGD(
            tables, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay, fused=fused
        )
    kind = torch.optim.AdamW if config.use == "adamw" else torch.optim.Adam
    return kind(
        tables,
        lr=config.lr,
        betas=config.betas,
        eps=config.eps,
        weight_decay=config.weight_decay,
        amsgrad=config.amsgrad,
        fused=fused,
    )


def rate_factor(config: ScheduleConfig, *, step: int, steps: int) -> float:
    """Return the share of the learning rate at ``step`` (from 0) of ``steps``."""
    warm = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    share = step / max(steps, 1)
    if config.use == "multistep":
        return warm * config.factor ** sum(share >= milestone for milestone in config.milestones)
    if config.use == "cosine":
        return warm * (config.final + (1.0 - config.final) * 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0))))
    return warm


def set_rate(optimiser: torch.optim.Optimizer, factor: float) -> None:
    """Set each group's rate to its own base rate times ``factor``."""
    for group in optimiser.param_groups:
        group["lr"] = group["base_lr"] * factor


def weight_at(weight: float | Sequence[Sequence[float]], step: int) -> float:
    """Return a loss's weight at ``step``: a number, or the value of the last ``[from step, value]`` that has begun."""
    if isinstance(weight, int | float):
        return float(weight)
    value = 0.0
    for start, later in weight:
        if step >= start:
            value = float(later)
    return value
