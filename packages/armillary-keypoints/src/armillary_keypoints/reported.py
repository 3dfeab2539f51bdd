"""Every number of the paper's tables and of AutoLink's own, and where.

Errors are in per cent of the distance between the eyes of each picture (NME), the mean over pictures and landmarks, landmarks
regressed linearly from the key points without a bias. Tables 2 and 4 are not one protocol: the supervised row of Table 4 equals a
published value of 3DDFA that is a 2D error over the root of the bounding box's area, averaged over three bins of yaw.
"""

import attrs

_PAPER = "Wang, Cao, Bernard 2024"
_AUTOLINK = "He, Wandt, Rhodin 2022, arXiv:2205.10636, as listed by public leaderboards"
_CELEBA = "CelebA in the wild, faces of less than 30 per cent of the picture left out; fitted on MAFL's training part, tested on its test part"
_AFLW = "learnt on 300W-LP, tested on AFLW2000-3D; 68 points in 3D; the paper does not say how they are aligned"


@attrs.frozen(kw_only=True)
class Reported:
    """One figure.

    Args:
        row: as the table names it.
        points: K; None where the source does not say.
        value: of the measure.
        measure: ``NME``, ``3D NME``, or what the source says.
        recipe: what would have to be run for it; empty for other methods and for sets without a recipe here.
        protocol: pictures and fit.
        source: where it was read.
        note: what makes the figure doubtful.
    """

    row: str
    points: int | None
    value: float
    measure: str = "NME"
    recipe: str = ""
    protocol: str
    source: str
    note: str = ""


_DOUBTFUL = "the table has one value for DFF and for this"


def _table_2() -> tuple[Reported, ...]:
    rows = (
        ("DFF", 31.30, ""),
        ("SCOPS without saliency", 22.11, ""),
        ("SCOPS with saliency", 15.01, ""),
        ("Liu et al.", 12.26, ""),
        ("Huang et al.", 8.4, ""),
        ("GANSeg", 6.18, ""),
        ("Thewlis et al. (ICCV 2017)", 31.30, _DOUBTFUL),
        ("Zhang et al.", 40.82, ""),
        ("LatentKeypointGAN", 21.90, ""),
        ("LatentKeypointGAN, tuned", 5.63, ""),
        ("Lorenz et al.", 11.41, ""),
        ("IMM", 8.74, ""),
        ("AutoLink", 5.39, "AutoLink's own value is 5.24"),
        ("Wang et al.", 5.21, ""),
    )
    recipes = {"AutoLink": "keypoints:autolink", "Wang et al.": "keypoints:paper"}
    return tuple(
        Reported(
            row=row,
            points=8,
            value=value,
            recipe=recipes.get(row, ""),
            protocol=_CELEBA,
            source=f"{_PAPER}, Table 2",
            note=note,
        )
        for row, value, note in rows
    )


def _table_3() -> tuple[Reported, ...]:
    rows = (
        ("AutoLink", "keypoints:autolink", (5.39, 4.69, 3.99, 3.77)),
        ("Wang et al.", "keypoints:paper", (5.21, 3.97, 3.54, 3.48)),
    )
    return tuple(
        Reported(row=row, points=points, value=value, recipe=recipe, protocol=_CELEBA, source=f"{_PAPER}, Table 3")
        for row, recipe, values in rows
        for points, value in zip((8, 16, 24, 32), values, strict=True)
    )


def _table_4() -> tuple[Reported, ...]:
    rows = (
        ("3DDFA, supervised", "", 4.94, "equals a published 2D error with another normaliser"),
        ("AutoLink + Unsup3D", "", 11.47, ""),
        ("AutoLink + MiDaS", "", 9.23, ""),
        ("Wang et al.", "keypoints:paper", 8.48, ""),
    )
    return tuple(
        Reported(
            row=row,
            points=None,
            value=value,
            measure="3D NME",
            recipe=recipe,
            protocol=_AFLW,
            source=f"{_PAPER}, Table 4",
            note=note,
        )
        for row, recipe, value, note in rows
    )


def _autolink() -> tuple[Reported, ...]:
    image = "error in units of the picture's crop, visible landmarks"
    rows = (
        ("CelebA in the wild", 4, 6.11, "NME", _CELEBA),
        ("CelebA in the wild", 8, 5.24, "NME", _CELEBA),
        ("CelebA aligned", 10, 3.54, "NME", "MAFL, aligned faces"),
        ("CUB, all birds", None, 11.3, "NME", image),
        ("CUB-001", None, 20.2, "NME", image),
        ("CUB-002", None, 19.2, "NME", image),
        ("CUB-003", None, 18.5, "NME", image),
        (
            "Human3.6M",
            None,
            2.76,
            "NME",
            "six actions, tested on subject 11; left and right swapped where that is nearer",
        ),
        ("DeepFashion", None, 66.0, "PCK", "within 6 of 255 pixels"),
    )
    return tuple(
        Reported(
            row=row,
            points=points,
            value=value,
            measure=measure,
            recipe="keypoints:autolink" if (row, points) == ("CelebA in the wild", 8) else "",
            protocol=protocol,
            source=_AUTOLINK,
        )
        for row, points, value, measure, protocol in rows
    )


TABLE_2 = _table_2()
"""Eight points on CelebA in the wild, beside other methods."""

TABLE_3 = _table_3()
"""8 to 32 points."""

TABLE_4 = _table_4()
"""Points in 3D, beside key points that are lifted by a depth map."""

AUTOLINK = _autolink()
"""AutoLink's own."""

REPORTED = (*TABLE_2, *TABLE_3, *TABLE_4, *AUTOLINK)

PARAMETERS = {"detector": 7.73e6, "decoder": 17.97e6}
"""Numbers that AutoLink learns with 8 points, to the nearest ten thousand, counted in the authors' code."""
