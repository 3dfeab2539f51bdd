"""The page: everything escaped, nothing from elsewhere, well-formed, and all that it was given."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from armillary.drawing.sheets import png_bytes, webp_bytes
from armillary.pages.report import loss_curves, write_report

VOID = {"meta", "link", "img", "br", "wbr"}
HOSTILE = "<script>alert('x')</script>\"&</style>"


class Page(HTMLParser):
    """Tags that match, and every address in the page."""

    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.tags, self.attributes, self.words, self.ids = [], [], [], [], "", []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append(sorted(name for name, _ in attrs))
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href", "action", "data")]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


def picture(value=0, size=8):
    return np.full((size, size, 3), value, dtype=np.uint8)


def full(text="words"):
    rows = [{"step": k, "loss": 1.0 / (k + 1), text: float(k)} for k in range(200)]
    return {
        "summary": f"{text}\n\n{text}",
        "facts": {text: text, "steps": 4000},
        "figures": [
            {"title": text, "picture": png_bytes(picture()), "caption": text, "wide": True},
            {"title": text, "picture": webp_bytes([picture(0), picture(99)])},
            *({"title": "preview", "picture": png_bytes(picture(k)), "step": k, "caption": text} for k in (20, 0, 10)),
        ],
        "curves": [
            {
                "title": text,
                "rows": rows,
                "series": {"loss": text},
                "levels": {text: 0.5},
                "y_label": text,
                "caption": text,
            },
            *loss_curves(rows, terms={text: text}),
        ],
        "tables": [
            {
                "title": text,
                "columns": ["", text],
                "rows": [[text, 1.0], [text, 2.0]],
                "muted": [1],
                "best": {text: "low"},
                "caption": text,
            }
        ],
        "sections": [
            {"title": text, "text": text, "items": {text: {text: [text, None, True, 3]}}, "closed": True},
            {"title": text, "commands": [text, text]},
        ],
    }


def page(tmp_path, **content):
    return write_report(tmp_path / "report.html", **content).read_text(encoding="utf-8")


def test_all_text_is_escaped(tmp_path):
    """Hostile words in every place that takes words: no tag comes of them, and the words are shown as they are."""
    hostile = page(tmp_path, title=HOSTILE, parts=[{"title": HOSTILE, **full(HOSTILE)}], **full(HOSTILE))
    harmless = page(tmp_path, title="words", parts=[{"title": "words", **full()}], **full())
    one, other = Page(hostile), Page(harmless)
    assert [t for t in one.tags if t != "wbr"] == [t for t in other.tags if t != "wbr"]
    assert [a for a in one.attributes if a] == [a for a in other.attributes if a]
    assert "script" not in one.tags
    assert one.words.count(HOSTILE) >= 20


def test_nothing_comes_from_elsewhere(tmp_path):
    text = page(tmp_path, title="a", parts=[{"title": "b", **full()}], **full())
    assert all(address.startswith(("data:", "#")) for address in Page(text).addresses)
    assert "url(" not in text
    assert "@import" not in text
    assert re.search(
        r"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\"", text
    )


def test_pictures_are_embedded_byte_for_byte(tmp_path):
    content = full()
    text = page(tmp_path, title="a", **content)
    embedded = [base64.b64decode(data) for data in re.findall(r"data:image/\w+;base64,([\w+/=]+)", text)]
    assert sorted(embedded) == sorted(figure["picture"] for figure in content["figures"])
    assert text.count("data:image/webp") == 1


def test_previews_stand_in_order_of_step(tmp_path):
    text = page(tmp_path, title="a", **full())
    assert re.findall(r"<b>Step (\d+)</b>", text) == ["0", "10", "20"]
    assert "1 previews between" not in text
    assert "1 preview between" in text


@pytest.mark.parametrize("count", [1, 2])
def test_few_previews_need_no_line_that_opens(tmp_path, count):
    figures = [{"title": "p", "picture": png_bytes(picture()), "step": k} for k in range(count)]
    text = page(tmp_path, title="a", figures=figures)
    assert "<details>" not in text
    assert len(re.findall("<b>Step", text)) == count


def test_the_best_is_strong_and_baselines_are_quiet(tmp_path):
    rows = [["ours", 0.9, 15.0], ["null", 1.8, 9.0]]
    table = {
        "title": "t",
        "columns": ["", "SIDE", "acc"],
        "rows": rows,
        "muted": [1],
        "best": {"SIDE": "low", "acc": "high"},
    }
    text = page(tmp_path, title="a", tables=[table])
    assert re.findall(r"<strong>(.*?)</strong>", text) == ["0.9", "15"]
    assert text.count('<tr class="muted">') == 1
    assert "lower is better" in text
    assert "higher is better" in text


def test_settings_have_dotted_names_and_every_digit(tmp_path):
    items = {
        "optimiser": {"lr": 1.0471975511965976, "betas": [0.9, 0.999]},
        "transforms": [{"use": "std:flip"}, {"use": "std:crop"}],
        "cache": 100_000_000,
        "mask": None,
        "flip": False,
        "extra": {},
    }
    text = page(tmp_path, title="a", sections=[{"title": "s", "items": items}]).replace("<wbr>", "")
    assert re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text) == [
        ("optimiser.lr", "1.0471975511965976"),
        ("optimiser.betas", "0.9, 0.999"),
        ("transforms.0.use", "std:flip"),
        ("transforms.1.use", "std:crop"),
        ("cache", "100000000"),
        ("mask", "\N{EN DASH}"),
        ("flip", "false"),
        ("extra", "\N{EN DASH}"),
    ]


def test_an_empty_page_is_a_page(tmp_path):
    assert Page(page(tmp_path, title="nothing yet")).words.count("nothing yet") == 2


def test_parts_are_linked(tmp_path):
    found = Page(page(tmp_path, title="demo", parts=[{"title": "one"}, {"title": "two"}]))
    assert found.ids == ["part-1", "part-2"]
    assert [a for a in found.addresses if a.startswith("#")] == ["#part-1", "#part-2"]


@pytest.mark.parametrize("content", [b"", b"<svg onload=alert(1)>", b"\x89PNG\r\n\x1a\nbroken", b"RIFF0000WAVE"])
def test_what_is_no_picture_is_refused(tmp_path, content):
    with pytest.raises(ValueError, match="'cat'"):
        page(tmp_path, title="a", figures=[{"title": "cat", "picture": content}])
    assert not list(tmp_path.iterdir())


def test_the_same_content_gives_the_same_bytes(tmp_path):
    assert page(tmp_path, title="a", **full()) == page(tmp_path, title="a", **full())


def test_loss_curves_have_the_total_first():
    rows = [{"step": 0, "loss": 1.0, "losses.a": 0.5}]
    assert [c["title"] for c in loss_curves(rows, terms={"losses.a": "a"})] == ["Loss", "a"]
    assert [c["title"] for c in loss_curves([{"step": 0}], terms={"losses.a": "a"})] == ["a"]
