"""Verbs ``armillary data``: folders of pictures."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from armillary.cli import show
from armillary.cli.failures import FAILED, OK, UsageError
from armillary.cli.flags import Json
from armillary.cli.progress import progress

Dir = Annotated[Path, Parameter(name="DIR", help="Folder of pictures.")]
AnyDir = Annotated[
    Path, Parameter(name="DIR", help="Folder of pictures, or of files that an installed data set reads.")
]
_SHOWN = 20


def make(
    generator: Annotated[str, Parameter(name="GENERATOR", help="plugin:generator, such as synthetic:heads.")],
    out: Annotated[Path, Parameter(name="OUT", help="Folder to make.")],
    /,
    *,
    count: Annotated[int, Parameter(metavar="N", help="Pictures, of all shards together.")] = 1000,
    size: Annotated[int, Parameter(metavar="PIXELS", help="Side of a picture.")] = 64,
    seed: Annotated[int, Parameter(metavar="N", help="The same seed gives the same bytes.")] = 0,
    set: Annotated[
        tuple[str, ...],
        Parameter(name="--set", negative=(), metavar="NAME=VALUE", help="A setting of the generator. Repeatable."),
    ] = (),
    shard: Annotated[
        str, Parameter(metavar="I/N", help="Make part I of N; parts may be made at once, on several machines.")
    ] = "1/1",
    workers: Annotated[int | None, Parameter(metavar="N", help="Processes. Default: one per core.")] = None,
    tables: Annotated[bool, Parameter(show=False)] = True,
    json: Json = False,
) -> None:
    """Make pictures with ground truth: depth, masks, normals, albedo, poses, light, landmarks.

    A call that was interrupted goes on where it was. The settings of a generator: armillary components show synthetic:heads
    """
    from armillary.data import make as data
    from armillary.data.generators import build_generator, generator_settings
    from armillary.plugins.host import Host

    parts = _shard(shard)
    if count < 1:
        raise UsageError(f"--count {count}: needs at least 1")
    if size < 1:
        raise UsageError(f"--size {size}: needs at least 1 pixel")
    if workers is not None and workers < 0:
        raise UsageError(f"--workers {workers}: needs at least 0")
    host = Host()
    built = build_generator(host, generator, generator_settings(host, generator, set), size=size, seed=seed)
    with progress(lines=json) as bar:
        made = data.make(
            built.generator,
            out,
            name=built.id,
            settings=built.settings,
            size=size,
            seed=seed,
            count=count,
            shard=parts,
            workers=workers,
            tables=tables,
            progress=lambda done, total: bar.count("pictures", done, total),
        )
    if json:
        show.as_json({"made": made.made, "found": made.found, "missing": made.missing})
        return
    there = f", {made.found} were there" if made.found else ""
    missing = f"; {made.missing} of other shards are still missing" if made.missing else ""
    show.message(f"{out}: {show.count(made.made, 'picture')} made{there}{missing}")


def check(folder: AnyDir, /, *, json: Json = False) -> int:
    """Read every file of a folder and list its faults, file by file. The status is 1 if there is an error.

    Pictures are read as std:images reads them. Other files, meshes say, are read if an installed data set supports them.
    """
    from armillary.data import check as checking
    from armillary.data.readers import examine_all, has_pictures
    from armillary.plugins.host import Host
    from armillary.std.images import Images

    with progress() as bar:
        others = examine_all(Host(), folder, progress=lambda done, total: bar.count("files", done, total))
        report = None
        if has_pictures(folder) or not others:
            report = checking.check(
                folder, config=Images.Config(), progress=lambda done, total: bar.count("pictures", done, total)
            )
    reports = [*([report] if report else []), *others.values()]
    ok = all(each.ok for each in reports)
    if json:
        plain = report.plain() if report else {"name": reports[0].name}
        show.as_json(
            plain | {"ok": ok} | ({"others": {id: each.plain() for id, each in others.items()}} if others else {})
        )
        return OK if ok else FAILED
    if report:
        show.facts(
            {
                "folder": report.name,
                "pictures": f"{report.readable} of {report.count} can be read",
                "sizes": _first(report.sizes),
                "modes": _first(report.modes),
                "with": _ports(report.ports),
                "splits": report.splits,
                "same bytes": show.count(len(report.duplicates), "group") if report.duplicates else "",
            }
        )
        _findings(report.findings)
    for id, each in others.items():
        show.facts({"folder": each.name, "read by": id, **each.facts})
        _findings(each.findings)
    findings = [finding for each in reports for finding in each.findings]
    errors = sum(finding.severity == "error" for finding in findings)
    show.message(
        f"{show.count(errors, 'error')}, {show.count(len(findings) - errors, 'warning')}"
        + ("; training passes over files with errors, or refuses them with --strict" if errors else "")
    )
    return OK if ok else FAILED


def _findings(findings: Iterable[Any]) -> None:
    """Print the findings, files with the same fault together."""
    by_text: dict[tuple[str, str], list[str]] = defaultdict(list)
    for finding in findings:
        by_text[finding.severity, finding.text].append(finding.path)
    for (severity, text), paths in sorted(by_text.items()):
        names = ", ".join(paths[:_SHOWN]) + (f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "")
        show.data(f"{severity:<7}  {names}: {text}")


def info(folder: Dir, /, *, json: Json = False) -> None:
    """List the contents of a folder, without decoding its pictures."""
    from armillary.data import check as checking
    from armillary.std.images import Images

    found = checking.info(folder, config=Images.Config())
    if json:
        show.as_json(found.plain())
        return
    smallest, largest = (f"{size[0]} x {size[1]}" if size else "" for size in (found.smallest, found.largest))
    show.facts(
        {
            "folder": found.name,
            "pictures": str(found.count),
            "sizes": smallest if smallest == largest else f"{smallest} to {largest}",
            "with": _ports(found.ports),
            "splits": {**found.splits, "by": found.split_rule},
            "landmarks": found.points,
            "generator": _generator(found.generator),
            "not finished": f"{found.unfinished} items so far" if found.unfinished is not None else "",
            "size": _bytes(found.size),
            "digest": found.digest,
        }
    )


def _shard(text: str) -> tuple[int, int]:
    part, slash, parts = text.partition("/")
    if not (slash and part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise UsageError(f"--shard {text}: write it as I/N, from 1/N to N/N")
    return int(part), int(parts)


def _ports(counts: Any) -> str:
    return ", ".join(f"{port} ({number})" for port, number in counts.items() if number and port != "image")


def _first(counts: Any) -> str:
    shown = [f"{name} ({number})" for name, number in [*counts.items()][:5]]
    return ", ".join(shown) + (f" and {len(counts) - 5} more" if len(counts) > 5 else "")


def _generator(generator: Any) -> str:
    if not generator:
        return ""
    words = [f"{key} {generator[key]}" for key in ("version", "seed", "size", "count") if key in generator]
    return f"{generator.get('generator', '')} {', '.join(words)}"


def _bytes(number: int) -> str:
    size = float(number)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
