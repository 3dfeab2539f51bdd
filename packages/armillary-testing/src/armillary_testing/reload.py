"""Predictions of a saved run that is loaded in a new process."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from armillary.inference.restore import restore
from armillary.plugins.discovery import PluginRecord
from armillary.plugins.host import Host
from armillary.training.folder import RunFolder
from armillary_testing.checks import Failure
from armillary_testing.trial import predicted

_CHILD = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from armillary_testing.reload import answer; answer(*sys.argv[2:])"
_TAIL = 300


def predict_anew(
    host: Host, folder: RunFolder, batches: Mapping[str, Mapping[str, Any]], *, place: Path, timeout: float
) -> dict[str, dict[str, Tensor]]:
    """Return what each stage of a run predicts in another process, of batches that it is given.

    Args:
        host: whose plugins that process sees.
        folder: of the run.
        batches: stage to what its method predicts from.
        place: an empty folder for questions and answers.
        timeout: seconds that the process has.

    Raises:
        Failure: that process ends without an answer; says its last words.
    """
    place.mkdir()
    asked, answered = place / "asked.pt", place / "answered.pt"
    torch.save({stage: _tensors(batch) for stage, batch in batches.items()}, asked)
    records = [attrs.asdict(record) for record in host.records]
    arguments = [json.dumps(sys.path), json.dumps(records), str(folder.path), str(asked), str(answered)]
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )
    except subprocess.TimeoutExpired:
        raise Failure(f"a new process did not load the run in {timeout:g} s") from None
    if done.returncode or not answered.is_file():
        said = done.stdout.decode(errors="replace").strip()[-_TAIL:]
        raise Failure(f"a new process cannot load the run: {said or f'status {done.returncode}'}")
    return torch.load(answered, weights_only=True)


def answer(records: str, folder: str, asked: str, answered: str) -> None:
    """Read a run and write what it predicts; the child's side of :func:`predict_anew`."""
    host = Host([PluginRecord(**record) for record in json.loads(records)])
    found = {}
    for stage, batch in torch.load(asked, weights_only=True).items():
        restored = restore(RunFolder.open(Path(folder)), host=host, stage=stage)
        found[stage] = {name: value.contiguous() for name, value in predicted(restored.model, batch).items()}
    torch.save(found, answered)


def _tensors(batch: Mapping[str, Any]) -> dict[str, Tensor]:
    return {name: value for name, value in batch.items() if isinstance(value, Tensor)}
