"""Verb ``armillary export``."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from armillary.cli import show


def export(
    run: Annotated[Path, Parameter(name="RUN", help="Folder of the run.")],
    image: Annotated[Path, Parameter(name="IMAGE", help="The picture.")],
    /,
    *,
    format: Annotated[
        Literal["glb", "ply", "obj"] | None,
        Parameter(metavar="NAME", help="Format of the mesh. Default: that of --out, or glb."),
    ] = None,
    out: Annotated[
        Path | None, Parameter(metavar="FILE", help="File to write. Default: IMAGE's name, in this folder.")
    ] = None,
    texture: Annotated[
        str, Parameter(metavar="NAME", help="Output to paint the surface with, such as albedo or canonical_image.")
    ] = "",
    checkpoint: Annotated[
        str | None, Parameter(metavar="step-N", help="Checkpoint to load. Default: the newest.")
    ] = None,
) -> None:
    """Turn one picture into a textured mesh with normals; the file is read again and compared before it takes its place."""
    from armillary.cli.failures import UsageError

    suffixes = (".glb", ".ply", ".obj")
    if out is not None and out.suffix.lower() in suffixes and format and out.suffix.lower() != f".{format}":
        raise UsageError(f"--out {out} and --format {format} disagree: give one of the two")
    if out is not None and out.suffix.lower() not in suffixes and format is None:
        raise UsageError(f"--out {out}: which format? end its name in .glb, .ply or .obj, or give --format")
    from armillary.inference.export import export_mesh
    from armillary.inference.predict import picture_files, predict
    from armillary.inference.restore import restore
    from armillary.plugins.host import Host
    from armillary.training.folder import RunFolder

    host = Host()
    place = out or Path(f"{image.stem}.{format or 'glb'}")
    if place.suffix.lower() not in suffixes:
        place = place.with_name(f"{place.name}.{format}")
    files = picture_files([image])
    if len(files) != 1:
        raise UsageError(f"{image} holds {len(files)} pictures: export takes one")
    restored = restore(RunFolder.open(run), host=host, checkpoint=checkpoint)
    for note in restored.notes:
        show.message(note)
    geometry = next(iter(predict(restored, files, host=host)))
    made = export_mesh(geometry.mesh(texture=texture), place)
    for file in made.files:
        show.data(str(file))
    what = f"{made.vertices} vertices, {made.faces} triangles, {made.size} bytes"
    show.message(f"OK: {what}; read again and equal in {', '.join(made.checked)}")
