from armillary.plugins.hookspecs import hookimpl
from armillary.ports import Port
from armillary.specs import LossSpec, RendererSpec


@hookimpl
def armillary_renderers():
    given = (Port("canonical_depth", kind="depth", frame="canonical"), "pose", "camera")
    found = (Port("depth", kind="depth", frame="image"), Port("visible", kind="mask"))
    words = {"summary": "depth where each ray first meets the surface", "source": "ours"}
    return [RendererSpec(name="surface", target=f"{__name__}.parts:Surface", consumes=given, produces=found, **words)]


@hookimpl
def armillary_losses():
    words = {"summary": "1 - correlation of the two pictures", "source": "ours"}
    given = (Port("reconstruction", kind="image"), "image")
    return [LossSpec(name="correlation", target=f"{__name__}.parts:Correlation", consumes=given, **words)]


@hookimpl
def armillary_step_ended(run, stage, step, metrics):
    (run / "seen.txt").write_text(f"{stage} {step} {metrics['loss']}\n")
