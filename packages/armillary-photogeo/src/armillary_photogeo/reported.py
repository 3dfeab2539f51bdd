"""Every number of the paper's tables, and what its text has lost.

Wu, Rupprecht, Vedaldi 2019, arXiv:1906.01568, read in an extraction of the text. Lost in it:

- Table 1: the scale-invariant error of two of the three constant baselines. One value, 5.687 +- 0.879, stands in their column,
  and it cannot be said whose it is.
- Table 4: the decoder's column of the depth network.
- Figure 3: every figure of the ablation, which are drawn, not written. What the text ranks stands in :data:`ABLATION`.

Protocol of Table 1: synthetic test faces at 64 x 64, depth in the picture's frame; mean and standard deviation over pictures;
no mask is mentioned. The camera has 25 degrees and the faces lie about 0.5 m away, so the figures do not compare with those of
2020 (10 degrees, about 1).
"""

import attrs

_PAPER = "Wu, Rupprecht, Vedaldi 2019, arXiv:1906.01568"


@attrs.frozen(kw_only=True)
class Depth:
    """One row of Table 1.

    Args:
        row: as the table names it.
        recipe: what would have to be run for it; empty for a baseline.
        side: scale-invariant error, times 100; None where the text has lost it.
        side_spread: standard deviation over pictures.
        normals: mean angle between normals, degrees.
        normals_spread: standard deviation over pictures.
    """

    row: str
    recipe: str = ""
    side: float | None = None
    side_spread: float | None = None
    normals: float
    normals_spread: float


@attrs.frozen(kw_only=True)
class Correlation:
    """One row of Table 2: the sum of the depth correlations of 66 key points, 66 for the truth.

    Args:
        row: as the table names it.
        recipe: what would have to be run for it; empty for others' methods.
        kind: how it learns.
        total: the sum.
    """

    row: str
    recipe: str = ""
    kind: str
    total: float


@attrs.frozen(kw_only=True)
class Split:
    """One row of Table 3: numbers of pictures."""

    name: str
    total: int
    train: int
    val: int
    test: int


SYNFACE: tuple[Depth, ...] = (
    Depth(
        row="supervised, L1",
        recipe="photogeo:supervised-l1",
        side=1.368,
        side_spread=0.288,
        normals=11.290,
        normals_spread=1.188,
    ),
    Depth(
        row="supervised, L2",
        recipe="photogeo:supervised-l2",
        side=1.437,
        side_spread=0.263,
        normals=13.242,
        normals_spread=1.284,
    ),
    Depth(row="constant null depth", normals=41.604, normals_spread=2.873),
    Depth(row="constant blob depth", normals=27.152, normals_spread=2.226),
    Depth(row="average ground-truth depth", normals=23.963, normals_spread=3.454),
    Depth(row="ours", recipe="photogeo:paper", side=3.143, side_spread=0.592, normals=17.650, normals_spread=1.873),
)
"""Table 1. One of the three constant baselines has the error :data:`BASELINE_SIDE`; which, the text has lost."""

BASELINE_SIDE = (5.687, 0.879)
"""Scale-invariant error times 100 and its spread, of one of the three constant baselines of Table 1."""

THREEDFAW: tuple[Correlation, ...] = (
    Correlation(row="ground truth", kind="truth", total=66.0),
    Correlation(row="AIGN", kind="supervised", total=50.81),
    Correlation(row="DepthNetGAN", kind="supervised", total=58.67),
    Correlation(row="MOFA", kind="model-based", total=15.97),
    Correlation(row="DepthNet (paper)", kind="2D key points", total=26.32),
    Correlation(row="DepthNet (github)", kind="2D key points", total=35.77),
    Correlation(row="ours", recipe="photogeo:paper", kind="pictures alone", total=51.65),
)
"""Table 2, on 3DFAW, whose pictures are had by request. The run behind "ours" was trained on faces, not on 3DFAW alone."""

SPLITS: tuple[Split, ...] = (
    Split(name="SynFace", total=187_500, train=150_000, val=18_750, test=18_750),
    Split(name="CelebA", total=202_598, train=162_769, val=19_867, test=19_962),
    Split(name="3DFAW", total=23_308, train=13_671, val=4_725, test=4_912),
    Split(name="Cats", total=9_997, train=7_997, val=1_000, test=1_000),
    Split(name="Cars", total=35_140, train=24_580, val=3_520, test=7_040),
)
"""Table 3. CelebA has one training picture more in its official split, 162,770."""

SETTINGS: dict[str, float] = {
    "learning rate": 1e-4,
    "epochs": 30,
    "batch": 128,
    "weight of the image error": 1.0,
    "weight of the perceptual error": 0.003,
    "weight of the depth's variance": 0.05,
    "weight of the mean viewpoint": 1.0,
}
"""Table 6, single numbers."""

RANGES: dict[str, tuple[float, float]] = {
    "depth, faces": (0.4, 0.6),
    "depth, cats": (0.4, 0.6),
    "depth, cars": (28.5, 31.5),
    "albedo": (0.0, 1.0),
    "ambient light": (0.0, 1.0),
    "diffuse light": (0.0, 1.0),
    "light direction, degrees": (-60.0, 60.0),
    "rotation, degrees": (-60.0, 60.0),
    "translation": (-0.1, 0.1),
}
"""Table 6, ranges."""

ABLATION: tuple[tuple[str, str], ...] = (
    ("photogeo:no-albedo-symmetry", "strongest impact, with the depth's symmetry"),
    ("photogeo:no-depth-symmetry", "strongest impact, with the albedo's symmetry"),
    ("photogeo:no-perceptual", "better reconstruction, and fewer local minima in training"),
    ("photogeo:no-regularisers", "better canonical representation"),
    ("photogeo:no-light", "resolves ambiguities, above all where there is little texture"),
)
"""Section 4.1: what each part is said to bring. "All components reduce the error"; the figures are lost (Figure 3)."""
