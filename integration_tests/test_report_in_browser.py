"""The page of a run in a real browser: it shows something, complains of nothing, asks nobody, and fits a phone."""

import io
import re
import shutil
import socketserver
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from armillary.drawing.sheets import png_bytes, webp_bytes
from armillary.pages.report import loss_curves, write_report

pytestmark = pytest.mark.browser

QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-domain-reliability",
    "--no-pings",
    "--hide-scrollbars",
    "--enable-logging=stderr",
)


class Proxy(socketserver.ThreadingTCPServer):
    """Refuses everything that the browser asks the network for, and remembers it."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _Refusal)

    def of_the_page(self) -> list[str]:
        """What was asked for, without what this browser asks its maker for whatever the page."""
        return [address for address in self.asked if not _OWN.match(address)]


_OWN = re.compile(r"(http://)?(?!fonts\.|ajax\.)[\w.-]+\.(google|googleapis|gvt1)\.com[:/]")


class _Refusal(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        line = self.rfile.readline().decode("latin-1").split()
        self.server.asked.append(line[1] if len(line) > 1 else "")  # type: ignore[attr-defined]
        self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy that serves until the test is over."""
    with Proxy() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def visit(browser: str, page: Path, proxy: Proxy, *flags: str) -> subprocess.CompletedProcess[str]:
    """Open the page in a fresh profile; all of the network goes through ``proxy``."""
    profile = tempfile.mkdtemp(prefix="armillary-browser-")
    address = f"--proxy-server=http://127.0.0.1:{proxy.server_address[1]}"
    try:
        return subprocess.run(
            [browser, *QUIET, address, f"--user-data-dir={profile}", *flags, page.as_uri()],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
    finally:
        shutil.rmtree(profile, ignore_errors=True)


def complaints(visited: subprocess.CompletedProcess[str]) -> list[str]:
    """Lines that the page wrote to the console: errors, and what its security policy refused."""
    return [line for line in visited.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with everything that a page can hold, wide tables and pictures among it."""
    random = np.random.default_rng(0)
    rows = [{"step": k, "loss": 1.0 / (k + 1), "losses.photometric": float(random.random())} for k in range(300)]
    sheet = png_bytes(random.integers(0, 256, (300, 1600, 3), dtype=np.uint8))
    film = webp_bytes([np.full((120, 120, 3), value, dtype=np.uint8) for value in (40, 120, 200)])
    content = {
        "summary": "Depth, albedo, light and viewpoint from one picture.",
        "facts": {"method": "unsup3d:unsup3d", "recipe": "unsup3d:quick", "data": "a" * 60},
        "figures": [
            {"title": "Sheet", "picture": sheet, "wide": True},
            {"title": "Turned", "picture": film},
            *({"title": "Preview", "picture": sheet, "step": step} for step in (0, 100, 200)),
        ],
        "curves": loss_curves(rows, terms={"losses.photometric": "photometric"}),
        "tables": [
            {"title": "Metrics", "columns": ["", *(f"column {k}" for k in range(12))], "rows": [["ours", *range(12)]]}
        ],
        "sections": [
            {"title": "Settings", "items": {"a": {"long": {"dotted": {"name": {"of": {"a": {"setting": 1}}}}}}}},
            {"title": "Next", "commands": ["armillary predict RUN " + "picture.png " * 20]},
        ],
    }
    path = tmp_path_factory.mktemp("page") / "report.html"
    return write_report(path, title="runs/faces", parts=[{"title": "a part", **content}], **content)  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_shows_and_asks_nobody(
    browser: str, proxy: Proxy, report: Path, tmp_path: Path, width: int, scheme: str
) -> None:
    flags = [f"--window-size={width},1500", f"--screenshot={tmp_path / 'page.png'}"]
    flags += ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    visited = visit(browser, report, proxy, *flags)
    assert complaints(visited) == []
    assert proxy.of_the_page() == []
    with Image.open(tmp_path / "page.png") as image:
        shown = np.asarray(image.convert("L")).astype(int)
    assert (shown[0, 0] > 200) == (scheme == "light")
    assert len(np.unique(shown)) > 100  # words, curves and the noise of the sheet
    written = np.abs(shown - shown[0, 0]).max(axis=1) > 60
    assert written[:1400].mean() > 0.4


@pytest.mark.parametrize("width", [1280, 700, 400])
def test_the_page_is_as_wide_as_the_screen(
    browser: str, proxy: Proxy, report: Path, tmp_path: Path, width: int
) -> None:
    """Wide sheets, tables and commands scroll by themselves. Measured by a script, in a copy that allows it and in a frame
    of this width: a window has a smallest size of its own.
    """
    text = re.sub(r"<meta http-equiv=.*?>", "", report.read_text(encoding="utf-8"))
    measure = "<script>parent.postMessage(document.documentElement.scrollWidth, '*')</script>"
    (tmp_path / "copy.html").write_text(text.replace("</body>", f"{measure}</body>"), encoding="utf-8")
    outer = tmp_path / "outer.html"
    outer.write_text(
        "<script>onmessage = event => document.title = `width ${event.data}`</script>"
        f'<iframe src="copy.html" style="border: 0; width: {width}px; height: 900px"></iframe>'
    )
    visited = visit(browser, outer, proxy, "--window-size=1400,1000", "--virtual-time-budget=5000", "--dump-dom")
    assert re.findall(r"<title>width (\d+)</title>", visited.stdout) == [str(width)]


def test_the_watch_sees_what_it_must(browser: str, proxy: Proxy, report: Path, tmp_path: Path) -> None:
    """Without the policy a foreign picture is asked for, with it the console complains: else the tests above are blind."""
    text = report.read_text(encoding="utf-8").replace("</h1>", '</h1><img src="http://example.invalid/a.png">')
    guarded, bare = tmp_path / "guarded.html", tmp_path / "bare.html"
    guarded.write_text(text, encoding="utf-8")
    bare.write_text(re.sub(r"<meta http-equiv=.*?>", "", text), encoding="utf-8")
    visited = visit(browser, guarded, proxy, f"--screenshot={tmp_path / 'a.png'}")
    assert proxy.of_the_page() == []
    assert any("Content Security Policy" in line for line in complaints(visited))
    visit(browser, bare, proxy, f"--screenshot={tmp_path / 'a.png'}")
    assert "http://example.invalid/a.png" in proxy.of_the_page()


def test_the_film_is_read_by_the_browser(browser: str, proxy: Proxy, tmp_path: Path) -> None:
    """An animated WebP is drawn: its colour is somewhere on the page."""
    film = webp_bytes([np.full((200, 200, 3), (200, 30, 30), dtype=np.uint8)] * 3)
    page = write_report(tmp_path / "a.html", title="film", figures=[{"title": "Turned", "picture": film}])
    visit(browser, page, proxy, "--window-size=800,600", f"--screenshot={tmp_path / 'a.png'}")
    with Image.open(io.BytesIO((tmp_path / "a.png").read_bytes())) as image:
        shown = np.asarray(image.convert("RGB")).astype(int)
    assert (np.abs(shown - (200, 30, 30)).max(axis=-1) < 12).sum() > 30_000
