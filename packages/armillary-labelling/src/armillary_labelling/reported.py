"""Every number of the paper's two tables and of the later work's, and where.

Errors are in per cent of the inter-ocular distance unless a row says otherwise; the mean over pictures and landmarks.
The paper's tables and the later work's are not one protocol: pictures, crops, optimiser and regressor changed between them, and
the 3-d network without exchange reads 5.87 in one and 4.02 in the other. Rows are compared within a table only.
"""

import attrs

_PAPER = "Thewlis, Bilen, Vedaldi 2017, arXiv:1706.02932"
_README = "jamt9000/DVE, README"
_MAFL = "1,000 test pictures of MAFL, five landmarks; fitted on its 19,000 training pictures"
_AFLW = "AFLW, five landmarks; a network of CelebA fine-tuned without labels, regressors fitted on AFLW"


@attrs.frozen(kw_only=True)
class Reported:
    """One figure.

    Args:
        row: as the table names it.
        figure: what was measured.
        value: in per cent of the inter-ocular distance, or in pixels for matching.
        spread: standard deviation over draws of the annotated pictures.
        recipe: what would have to be run for it; empty for other methods and for networks without a recipe here.
        protocol: pictures and fit.
        source: where it was read.
    """

    row: str
    figure: str
    value: float
    spread: float | None = None
    recipe: str = ""
    protocol: str
    source: str


def _table_3() -> tuple[Reported, ...]:
    rows = (
        ("SIMPLE, log", "labelling:simple-log", 75.02, None),
        ("SIMPLE, distance, gamma 1", "labelling:simple-dist-1", 14.57, 7.94),
        ("SIMPLE, distance, gamma 0.5", "labelling:simple-dist", 13.29, 7.18),
        ("DILATIONS, log", "labelling:dilations-log", 11.05, 5.83),
        ("DILATIONS, distance, gamma 0.5", "labelling:paper", 10.53, 5.87),
        ("sparse landmarks (Thewlis et al., ICCV 2017)", "", None, 6.67),
    )
    return tuple(
        Reported(row=row, figure=figure, value=value, recipe=recipe, protocol=_MAFL, source=f"{_PAPER}, Table 3")
        for row, recipe, *values in rows
        for figure, value in zip(("nearest", "regressed"), values, strict=True)
        if value is not None
    )


def _table_4() -> tuple[Reported, ...]:
    rows = (
        ("RCPR, supervised", "", 11.6),
        ("Cascaded CNN, supervised", "", 8.97),
        ("CFAN, supervised", "", 10.94),
        ("TCDCN, supervised", "", 7.65),
        ("RAR, supervised", "", 7.23),
        ("sparse landmarks (Thewlis et al., ICCV 2017)", "", 10.53),
        ("DILATIONS, distance, gamma 0.5", "labelling:fine-tune", 8.80),
    )
    return tuple(
        Reported(row=row, figure="regressed", value=value, recipe=recipe, protocol=_AFLW, source=f"{_PAPER}, Table 4")
        for row, recipe, value in rows
    )


_LATER = (
    ("matching same", "pixels of a 70-pixel picture; MAFL test pictures warped at half strength, same identity"),
    ("matching different", "pixels of a 70-pixel picture; MAFL test pictures warped at half strength, next identity"),
    ("MAFL", f"{_MAFL}, soft-argmax regressor"),
    ("300W", "300W test, 68 landmarks, outer eye corners; not fine-tuned"),
    ("AFLW_M", "AFLW as cropped by MTFL, five landmarks; fine-tuned"),
    ("AFLW_R", "AFLW cropped tighter, five landmarks; fine-tuned"),
)


def _later_work() -> tuple[Reported, ...]:
    rows = (
        ("3-d", "labelling:paper", (1.33, 2.89, 4.02, 8.23, 10.99, 10.14)),
        ("3-d, exchange", "labelling:exchange", (1.36, 3.03, 4.17, 7.66, 11.12, 10.13)),
        ("16-d", "", (1.25, 5.65, 5.31, 10.66, 12.22, 10.73)),
        ("16-d, exchange", "", (1.28, 2.79, 3.97, 6.29, 9.15, 8.40)),
        ("32-d", "", (1.26, 5.81, 5.36, 10.33, 12.60, 11.05)),
        ("32-d, exchange", "", (1.29, 2.79, 3.82, 6.13, 9.17, 8.18)),
        ("64-d", "", (1.25, 5.68, 4.99, 9.33, 12.92, 11.43)),
        ("64-d, exchange", "", (1.28, 2.77, 3.42, 5.75, 8.60, 7.79)),
        ("64-d hourglass, exchange", "", (0.93, 2.37, 2.86, 4.65, 7.53, 6.54)),
    )
    return tuple(
        Reported(row=row, figure=figure, value=value, recipe=recipe, protocol=protocol, source=_README)
        for row, recipe, values in rows
        for (figure, protocol), value in zip(_LATER, values, strict=True)
    )


def _fine_tuning() -> tuple[Reported, ...]:
    rows = (
        ("3-d, exchange", (11.82, 11.12), (9.65, 10.13), (7.66, 7.20)),
        ("16-d, exchange", (10.22, 9.15), (8.91, 8.40), (6.29, 5.90)),
        ("32-d, exchange", (9.80, 9.17), (8.73, 8.18), (6.13, 5.75)),
        ("64-d, exchange", (9.28, 8.60), (8.14, 7.79), (5.75, 5.58)),
        ("64-d hourglass, exchange", (8.15, 7.53), (6.88, 6.54), (4.65, 4.65)),
    )
    return tuple(
        Reported(
            row=f"{row}, {'fine-tuned' if tuned else 'not fine-tuned'}",
            figure=figure,
            value=pair[tuned],
            protocol=f"{figure} regressors fitted with and without fine-tuning of the network on its pictures",
            source=_README,
        )
        for row, *pairs in rows
        for figure, pair in zip(("AFLW_M", "AFLW_R", "300W"), pairs, strict=True)
        for tuned in (0, 1)
    )


def _few_labels() -> tuple[Reported, ...]:
    rows = (
        ("3-d", ((19.87, 3.10), (16.90, 1.04), (16.12, 1.07), (15.30, 0.59))),
        ("64-d, exchange", ((17.13, 1.78), (13.57, 2.08), (12.97, 2.36), (11.26, 0.93))),
        ("64-d hourglass, exchange", ((14.23, 1.54), (12.04, 2.03), (12.25, 2.42), (11.46, 0.83))),
    )
    return tuple(
        Reported(
            row=f"{row}, {count} annotated",
            figure="AFLW_M",
            value=value,
            spread=spread,
            protocol=f"regressors fitted on {count} annotated pictures of AFLW_M; mean and spread over draws of them",
            source=_README,
        )
        for row, pairs in rows
        for count, (value, spread) in zip((1, 5, 10, 20), pairs, strict=True)
    )


TABLE_3 = _table_3()
"""MAFL: nearest and regressed landmarks."""

TABLE_4 = _table_4()
"""AFLW after fine-tuning, beside other methods."""

LATER_WORK = _later_work()
"""Matching and regressed landmarks of the later work, with and without exchange."""

FINE_TUNING = _fine_tuning()
"""Change by fine-tuning in the later work."""

FEW_LABELS = _few_labels()
"""Error of the regressors of the later work by the number of annotated pictures."""

REPORTED = (*TABLE_3, *TABLE_4, *LATER_WORK, *FINE_TUNING, *FEW_LABELS)

PARAMETERS = {3: 334_900, 16: 338_200, 32: 342_300, 64: 350_600}
"""Numbers that the authors' small network learns, by channels of a label, to the nearest hundred (jamt9000/DVE, README)."""
