"""Every number of the paper that could be read in a source, and where.

The protocol of all is that of ``std:side-mad/1``: SynFace test pictures at 64 x 64, depth in the picture's frame, over pixels that
truth and prediction both cover, masks eroded by 3 x 3; mean and standard deviation over pictures. SIDE is times 100, MAD in
degrees. The paper's tables were not at hand: rows marked ``quoted`` come through a replication report and rows marked
``authors`` from the authors' repository. The ablation table and the 3DFAW table are left out, because no source for them
could be read.
"""

import attrs

_TABLE = "Wu, Rupprecht, Vedaldi 2020, arXiv:1911.11130, Table 2"
_REPLICATION = "a replication report of 2022 on torch 1.11 and CUDA 11.3"
_ISSUE = "elliottwu/unsup3d, issue 15"


@attrs.frozen(kw_only=True)
class Reported:
    """One row: scale-invariant depth error and mean angle deviation, each mean and standard deviation over pictures.

    Args:
        row: as the table or report names it.
        recipe: what would have to be run for it; empty for a baseline.
        side: times 100.
        side_spread: standard deviation over pictures.
        mad: in degrees.
        mad_spread: standard deviation over pictures.
        kind: ``quoted`` (the paper's table through another text), ``authors`` (their repository) or ``replication``.
        source: where it was read.
    """

    row: str
    recipe: str = ""
    side: float
    side_spread: float | None = None
    mad: float
    mad_spread: float | None = None
    kind: str
    source: str


SYNFACE: tuple[Reported, ...] = (
    Reported(
        row="supervised",
        side=0.410,
        side_spread=0.103,
        mad=10.78,
        mad_spread=1.01,
        kind="quoted",
        source=f"{_TABLE}, through {_REPLICATION}",
    ),
    Reported(
        row="constant null depth",
        side=2.723,
        side_spread=0.371,
        mad=43.34,
        mad_spread=2.25,
        kind="quoted",
        source=f"{_TABLE}, through {_REPLICATION}",
    ),
    Reported(
        row="average ground-truth depth",
        side=1.990,
        side_spread=0.556,
        mad=23.26,
        mad_spread=2.85,
        kind="quoted",
        source=f"{_TABLE}, through {_REPLICATION}",
    ),
    Reported(
        row="ours, unsupervised",
        recipe="unsup3d:paper",
        side=0.793,
        side_spread=0.140,
        mad=16.51,
        mad_spread=1.56,
        kind="quoted",
        source=f"{_TABLE}, through {_REPLICATION}",
    ),
    Reported(
        row="released weights, CUDA 9.0",
        recipe="unsup3d:paper",
        side=0.79,
        side_spread=0.14,
        mad=16.24,
        mad_spread=1.52,
        kind="authors",
        source=_ISSUE,
    ),
    Reported(
        row="released weights, newer stack",
        recipe="unsup3d:paper",
        side=0.92,
        side_spread=0.20,
        mad=17.77,
        mad_spread=1.92,
        kind="authors",
        source=_ISSUE,
    ),
    Reported(
        row="authors' code, retrained",
        recipe="unsup3d:paper",
        side=0.932,
        side_spread=0.213,
        mad=17.75,
        mad_spread=1.99,
        kind="replication",
        source=_REPLICATION,
    ),
    Reported(
        row="replication from scratch, with gradient clipping",
        recipe="unsup3d:paper",
        side=1.112,
        side_spread=0.275,
        mad=17.93,
        mad_spread=2.40,
        kind="replication",
        source=_REPLICATION,
    ),
    Reported(
        row="replication without albedo flip",
        recipe="unsup3d:no-albedo-flip",
        side=2.462,
        mad=36.68,
        kind="replication",
        source=_REPLICATION,
    ),
    Reported(
        row="replication without depth flip",
        recipe="unsup3d:no-depth-flip",
        side=1.771,
        mad=37.48,
        kind="replication",
        source=_REPLICATION,
    ),
    Reported(
        row="replication without perceptual loss",
        recipe="unsup3d:no-perceptual",
        side=1.119,
        mad=19.36,
        kind="replication",
        source=_REPLICATION,
    ),
    Reported(
        row="replication without confidence, gradients exploded",
        recipe="unsup3d:no-confidence",
        side=6.173,
        mad=68.35,
        kind="replication",
        source=_REPLICATION,
    ),
)

PARAMETERS = {
    "depth": 12_979_648,
    "albedo": 12_982_848,
    "light": 1_739_264,
    "view": 1_739_776,
    "confidence": 7_678_208,
}
"""Numbers that each network of the authors' code learns at 64 x 64, encoder and head together (counted in that code)."""
