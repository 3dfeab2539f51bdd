"""Settings of a training that belong to no part: optimiser, schedule, budget, cadence. Light."""

from typing import Literal

import attrs
from attrs.validators import and_, deep_iterable, ge, gt, le, lt, optional

from armillary.config import param

_ADAM = "Kingma and Ba 2015, arXiv:1412.6980, Algorithm 1"


@attrs.frozen(kw_only=True)
class OptimiserConfig:
    """Optimiser of a stage; ``groups`` are globs over ``slot.parameter`` with settings of their own."""

    use: Literal["adam", "adamw", "sgd"] = param("adam", help="adam, adamw or sgd")
    lr: float = param(1e-4, unit="per step", validator=gt(0.0), help="learning rate")
    betas: tuple[float, float] = param(
        (0.9, 0.999), source=_ADAM, validator=deep_iterable(and_(ge(0.0), lt(1.0))), help="decay of the two moments"
    )
    eps: float = param(1e-8, source=_ADAM, validator=gt(0.0), help="added to the root of the second moment")
    momentum: float = param(0.0, validator=and_(ge(0.0), lt(1.0)), help="momentum of sgd")
    weight_decay: float = param(0.0, validator=ge(0.0), help="L2 for adam and sgd, decoupled for adamw")
    amsgrad: bool = param(False, help="keep the largest second moment")
    clip_norm: float | None = param(
        None, validator=optional(gt(0.0)), help="largest norm of the whole gradient; default: no clipping"
    )
    groups: dict[str, dict[str, float]] | None = param(
        None, help='settings by glob: [optimiser.groups."method.*"] weight_decay = 0'
    )

    def __attrs_post_init__(self) -> None:
        for pattern, group in (self.groups or {}).items():
            for key in group:
                if key not in ("lr", "weight_decay", "momentum"):
                    raise ValueError(f"groups.{pattern}.{key}: a group may set lr, weight_decay and momentum")


@attrs.frozen(kw_only=True)
class ScheduleConfig:
    """The learning rate as a factor over steps, a function of step over ``budget.steps``."""

    use: Literal["constant", "multistep", "cosine"] = param("constant", help="constant, multistep or cosine")
    warmup: int = param(0, unit="step", validator=ge(0), help="steps of linear rise from 0")
    milestones: tuple[float, ...] = param(
        (), unit="share of budget.steps", validator=deep_iterable(and_(ge(0.0), le(1.0))), help="where multistep drops"
    )
    factor: float = param(0.1, validator=and_(gt(0.0), le(1.0)), help="by what multistep multiplies at each milestone")
    final: float = param(0.0, validator=and_(ge(0.0), le(1.0)), help="share of the rate at which cosine ends")


@attrs.frozen(kw_only=True)
class BudgetConfig:
    """Length of a training."""

    steps: int = param(unit="step", validator=ge(0), help="optimiser steps")
    seconds: float | None = param(
        None,
        unit="second",
        validator=optional(gt(0.0)),
        help="limit of training time, which can end before steps; default: no limit",
    )


@attrs.frozen(kw_only=True)
class CadenceConfig:
    """Intervals of logs, checkpoints and previews."""

    log: int = param(20, unit="step", validator=ge(1), help="steps between rows of metrics.jsonl")
    checkpoint: int = param(500, unit="step", validator=ge(1), help="steps between checkpoints")
    keep: int = param(2, unit="checkpoint", validator=ge(1), help="newest checkpoints that are kept")
    preview: int = param(500, unit="step", validator=ge(1), help="steps between preview pictures")
    minutes: float = param(5.0, unit="minute", validator=gt(0.0), help="longest time between checkpoints")


@attrs.frozen(kw_only=True)
class DeviceConfig:
    """Device, precision and processes; a resumed run may have others."""

    accelerator: Literal["auto", "cpu", "cuda", "mps"] = param(
        "auto", help="auto, cpu, cuda or mps; auto is CUDA if available, else the CPU"
    )
    devices: int = param(1, unit="process", validator=ge(1), help="number of processes, one per device")
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = param(
        "32-true", help="precision of the networks; geometry is in 32 bits"
    )
    workers: int = param(
        0, unit="process", validator=ge(0), help="number of loader processes; 0 loads in the training process"
    )
    channels_last: bool = param(True, help="memory format of pictures and weights of convolutions")
    threads: int | None = param(
        None, unit="thread", validator=optional(ge(1)), help="threads of torch; default: torch's choice"
    )


SECTIONS = {
    "optimiser": OptimiserConfig,
    "schedule": ScheduleConfig,
    "budget": BudgetConfig,
    "cadence": CadenceConfig,
}
"""Sections of a stage's body that are config classes."""

__all__ = ["SECTIONS", "BudgetConfig", "CadenceConfig", "DeviceConfig", "OptimiserConfig", "ScheduleConfig"]
