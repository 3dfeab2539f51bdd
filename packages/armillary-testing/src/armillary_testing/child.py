"""Import of a plugin in a process of its own, and a record of its side effects. Light.

The child first does what every command does (import the plugin's module, call its hooks) and records warnings, output, threads,
network access and changes of global state; then it imports every target, as training would.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs

from armillary.errors import PluginError
from armillary.plugins.discovery import PluginRecord
from armillary.plugins.host import Host, interface_of

_CHILD = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from armillary_testing.child import sight; sight(*sys.argv[2:])"
_NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg")
_TAIL = 200
_HEAVY = ("torch", "numpy", "e3nn")  # modules that set global state of their own when they are imported
_FILTERS = "the filters of warnings"


@attrs.frozen(kw_only=True)
class ImportReport:
    """Record that the child process writes.

    Args:
        ending: why it did not come to its end; empty where it did.
        loading: why the plugin cannot be loaded; empty where it can.
        targets: id of a component to why what it names cannot be imported.
        printed: what was written to standard output and error.
        threads: names of threads that were left.
        network: what was asked of the network.
        warned: warnings, a line each.
        changed: global state that was changed.
    """

    ending: str = ""
    loading: str = ""
    targets: dict[str, str] = attrs.field(factory=dict)
    printed: str = ""
    threads: list[str] = attrs.field(factory=list)
    network: list[str] = attrs.field(factory=list)
    warned: list[str] = attrs.field(factory=list)
    changed: list[str] = attrs.field(factory=list)

    @property
    def survived(self) -> bool:
        """Whether the plugin may be imported into this process too."""
        return not self.ending and not self.loading


def watch(record: PluginRecord, *, timeout: float) -> ImportReport:
    """Return what a process of its own sees while it imports a plugin; the parent's side of :func:`sight`."""
    with tempfile.TemporaryDirectory(prefix="armillary-verify-") as folder:
        report, output = Path(folder, "report.json"), Path(folder, "output.txt")
        arguments = [json.dumps(sys.path), json.dumps(attrs.asdict(record)), str(report)]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
        with output.open("wb") as stream:  # a file, not a pipe: a grandchild that keeps a pipe open cannot hold us
            try:
                done = subprocess.run(
                    [sys.executable, "-c", _CHILD, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=stream,
                    timeout=timeout,
                    env=environment,
                    check=False,
                )
                ending = f"the process ended with status {done.returncode}"
            except subprocess.TimeoutExpired:
                ending = f"the process did not finish in {timeout:g} s"
        written = output.read_text(encoding="utf-8", errors="replace").strip()
        if not report.exists():
            return ImportReport(ending=f"{ending}: {written[-_TAIL:]}" if written else ending)
        seen = json.loads(report.read_text(encoding="utf-8"))
    return ImportReport(**{**seen, "printed": (seen["printed"] + written).strip()})


def sight(record_json: str, report: str) -> None:
    """Import one plugin and write what was seen; the child's side of :func:`watch`."""
    record = PluginRecord(**json.loads(record_json))
    seen: dict[str, Any] = {"loading": "", "targets": {}, "printed": "", "network": []}
    sys.addaudithook(_network(seen["network"]))
    host = Host([record])
    threads = set(threading.enumerate())
    with _warnings_kept(seen), _changes_kept(seen):
        _light(host, record, seen)
    if not seen["loading"]:
        _targets(host, record, seen)
    left = [thread for thread in threading.enumerate() if thread not in threads]
    seen["threads"] = [f"{thread.name} of {type(thread).__module__}" for thread in left]
    Path(report + ".part").write_text(json.dumps(seen), encoding="utf-8")
    os.replace(report + ".part", report)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # threads that the plugin left must not keep the process


def _light(host: Host, record: PluginRecord, seen: dict[str, Any]) -> None:
    try:
        offer = host.load(record.id)
    except PluginError as error:
        seen["loading"] = str(error).removeprefix(f"{record}: ")
        return
    seen["printed"] = offer.printed
    for id, kind, spec in _parts(host, record):
        try:
            host.config(spec)
        except PluginError as error:
            seen["targets"][f"{kind} {id}"] = str(error).removeprefix(f"{record}: ")


def _targets(host: Host, record: PluginRecord, seen: dict[str, Any]) -> None:
    """Import what training would; state that torch itself sets when it is imported is not the plugin's doing."""
    for kind in {kind for _, kind, _ in _parts(host, record)}:
        interface_of(kind)
    with _changes_kept(seen):
        for id, kind, spec in _parts(host, record):
            try:
                host.resolve(spec)
            except PluginError as error:
                seen["targets"].setdefault(f"{kind} {id}", str(error).removeprefix(f"{record}: "))


def _parts(host: Host, record: PluginRecord) -> list[tuple[str, str, Any]]:
    components = host.load(record.id).components
    return [
        (f"{record.id}:{name}", kind, spec)
        for kind, specs in components.items()
        if kind != "recipe"
        for name, spec in specs.items()
    ]


def _network(asked: list[str]) -> Callable[[str, tuple[Any, ...]], None]:
    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _NETWORK:
            asked.append(f"{event} {[each for each in arguments if isinstance(each, str | tuple)]}")

    return hook


@contextlib.contextmanager
def _warnings_kept(seen: dict[str, Any]) -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
        seen["warned"] = [f"{each.category.__name__}: {each.message}" for each in caught]


@contextlib.contextmanager
def _changes_kept(seen: dict[str, Any]) -> Iterator[None]:
    before, modules = _state(), set(sys.modules)
    yield
    after = _state()
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if any(name in sys.modules and name not in modules for name in _HEAVY):
        names = [name for name in names if name != _FILTERS and (name in before) == (name in after)]
    seen.setdefault("changed", []).extend(names)


def _state() -> dict[str, Any]:
    """Return what a plugin has no business to change when it is imported."""
    state: dict[str, Any] = {
        "the working folder": os.getcwd(),
        # values may be secrets; torch's compiler notes where its cache lies when e3nn wakes it
        **{f"the environment's {k}": hash(v) for k, v in os.environ.items() if not k.startswith("TORCHINDUCTOR_")},
        _FILTERS: [str(each) for each in warnings.filters],
        "the path": list(sys.path),
        "the recursion limit": sys.getrecursionlimit(),
    }
    torch: Any = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_default_dtype"):
        state |= {
            "torch's default dtype": str(torch.get_default_dtype()),
            "whether torch records gradients": torch.is_grad_enabled(),
            "torch's deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
            "torch's threads": torch.get_num_threads(),
            "torch's random state": torch.initial_seed(),
            "cudnn's benchmark": torch.backends.cudnn.benchmark,
            "torch's precision of products": torch.get_float32_matmul_precision(),
        }
    return state
