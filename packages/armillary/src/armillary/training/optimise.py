"""Optimisers and schedules from settings."""

import fnmatch
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from armillary.errors import RecipeError, RunError
from armillary.recipes.settings import OptimiserConfig, ScheduleConfig


def build_optimiser(
    parameters: Mapping[str, torch.nn.Parameter], config: OptimiserConfig, *, fused: bool
) -> torch.optim.Optimizer:
    """Return one optimiser over ``parameters``, grouped by the config's globs over their names.

    Raises:
        RecipeError: no parameter is trainable, or a glob matches none.
    """
    if not parameters:
        raise RecipeError(
            ["optimiser: nothing to train: every part is frozen or has no weights; type: --set budget.steps=0"]
        )
    groups: dict[str, list[torch.nn.Parameter]] = {"": []}
    used: set[str] = set()
    for name, parameter in parameters.items():
        matching = [glob for glob in (config.groups or {}) if fnmatch.fnmatchcase(name, glob)]
        used.update(matching)
        # The last matching glob wins, as the last line of a file does.
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


def moments(optimiser: torch.optim.Optimizer, parameters: Mapping[str, torch.nn.Parameter]) -> dict[str, Any]:
    """Return the optimiser's state of each parameter, by the parameter's name; its settings are in the recipe."""
    return {name: dict(optimiser.state[value]) for name, value in parameters.items() if value in optimiser.state}


def load_moments(
    optimiser: torch.optim.Optimizer,
    saved: Any,
    *,
    parameters: Mapping[str, torch.nn.Parameter],
    step: int,
    where: str,
) -> None:
    """Load the result of :func:`moments` into an optimiser, after a comparison with the parameters.

    Args:
        optimiser: new optimiser over ``parameters``.
        saved: content of a file, of any type and value.
        parameters: parameters by name.
        step: step of the checkpoint; no parameter can have more updates.
        where: the file, for messages.

    Raises:
        RunError: a name, shape or type differs from the parameter's, or a value is invalid; the message names it.
    """
    wrong = _wrong_moments(optimiser, saved, parameters, step)
    if wrong:
        raise RunError(f"{where}: not the state of this optimiser: {wrong}; use another one with --checkpoint STEP")
    fused = optimiser.defaults.get("fused")  # a fused optimiser has its step counter on the device
    for name, values in saved.items():
        parameter = parameters[name]
        optimiser.state[parameter] = {
            key: value.to(parameter.device if fused else "cpu")
            if key == "step"
            else torch.empty_like(parameter, requires_grad=False).copy_(value)
            for key, value in values.items()
        }


def _wrong_moments(optimiser: Any, saved: Any, parameters: Mapping[str, torch.nn.Parameter], step: int) -> str:
    if not isinstance(saved, dict) or not all(isinstance(values, dict) for values in saved.values()):
        return "it is not a table of tables"
    if isinstance(optimiser, torch.optim.SGD):
        wanted = {"momentum_buffer"}
    else:
        wanted = {"step", "exp_avg", "exp_avg_sq"} | ({"max_exp_avg_sq"} if optimiser.defaults["amsgrad"] else set())
    for name, values in saved.items():
        if name not in parameters:
            return f"{name!r} is not a trained parameter"
        if set(values) != wanted:
            return f"{name} has {', '.join(map(str, values))}, it needs {', '.join(sorted(wanted))}"
        for key, value in values.items():
            wrong = _wrong_moment(key, value, parameters[name], step)
            if wrong:
                return f"{key} of {name} {wrong}"
    return ""


def _wrong_moment(key: str, value: Any, parameter: torch.nn.Parameter, step: int) -> str:
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.device.type != "cpu":
        return "is not a plain tensor"
    shape, dtype = ((), torch.float32) if key == "step" else (tuple(parameter.shape), parameter.dtype)
    if tuple(value.shape) != shape:
        return f"has the shape {list(value.shape)}, it needs {list(shape)}"
    if value.dtype != dtype:
        return f"is {value.dtype}, it needs {dtype}"
    if not torch.isfinite(value).all():
        return "is not finite"
    if key == "step" and not (0 < float(value) <= step and float(value).is_integer()):
        return f"is {float(value):g} at step {step}"
    if key.endswith("_sq") and (value < 0).any():
        return "has squares below 0"
    return ""


def rate_factor(config: ScheduleConfig, *, step: int, steps: int) -> float:
    """Return the factor on the learning rate at ``step`` (from 0) of ``steps``."""
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
    """Return a loss's weight at ``step``: a constant, or the value of the last ``[first step, value]`` up to ``step``."""
    if isinstance(weight, int | float):
        return float(weight)
    value = 0.0
    for start, later in weight:
        if step >= start:
            value = float(later)
    return value
