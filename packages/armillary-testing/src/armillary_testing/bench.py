"""State shared by the checks of one plugin, each item made on first use. Light."""

import warnings
from functools import cached_property
from pathlib import Path
from typing import Any

from armillary.plugins.discovery import PluginRecord
from armillary.plugins.host import Host, Offer
from armillary_testing.checks import PLUGIN, RECIPE_TRIED, Subject
from armillary_testing.child import ImportReport, watch


class Bench:
    """One plugin under examination.

    Args:
        host: where it comes from.
        plugin: its id.
        folder: for what the checks write.
        timeout: seconds that the process which imports the plugin has.
    """

    def __init__(self, host: Host, plugin: str, *, folder: Path, timeout: float) -> None:
        self.host, self.plugin, self.folder, self.timeout = host, plugin, folder, timeout
        self.kept: dict[Any, Any] = {}

    @cached_property
    def record(self) -> PluginRecord:
        """The plugin's metadata; of several claims on the id, the first."""
        return next(record for record in self.host.records if record.id == self.plugin)

    @cached_property
    def import_report(self) -> ImportReport:
        """What a process of its own saw while it imported the plugin."""
        return watch(self.record, timeout=self.timeout)

    @cached_property
    def offer(self) -> Offer:
        """What the plugin delivers, imported into this process: only after :attr:`import_report` survived it, and reported it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.host.load(self.plugin)

    def whole(self) -> Subject:
        """Return the plugin as a subject."""
        return Subject(bench=self, kind=PLUGIN, id=self.plugin)

    def components(self) -> list[Subject]:
        """Return every component as a subject; a recipe that is tried is one of its own, too."""
        found = [
            Subject(bench=self, kind=kind, id=f"{self.plugin}:{name}", spec=spec)
            for kind, specs in self.offer.components.items()
            for name, spec in specs.items()
        ]
        tried = [
            Subject(bench=self, kind=RECIPE_TRIED, id=each.id, spec=each.spec)
            for each in found
            if each.kind == "recipe" and each.spec.name == RECIPE_TRIED
        ]
        return [*found, *tried]
