"""Start-up time of the most common verbs, without torch.

Best of several, since the budget is for a warm disk and an idle core. Exit status 1 when one is over its budget or has
imported torch.
"""

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

BUDGETS = {
    ("--help",): 0.3,
    ("plugins", "list"): 0.3,
    ("components", "list"): 0.3,
    ("recipes", "list"): 0.3,
    ("recipes", "check"): 0.5,
}
HEAVY = ("torch", "numpy", "e3nn", "lightning_fabric")


def seconds(arguments: tuple[str, ...], *, repeats: int) -> tuple[float, float]:
    """Return the shortest time of the installed command, from start to end of its process, and its processor's time."""
    command = [str(Path(sysconfig.get_path("scripts")) / "armillary"), *arguments]
    walls, processor = [], []
    for _ in range(repeats):
        start, before = time.perf_counter(), os.times()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        walls.append(time.perf_counter() - start)
        used = after.children_user - before.children_user + after.children_system - before.children_system
        processor.append(used)
    return min(walls), min(processor)


def heavy_imports(arguments: tuple[str, ...]) -> list[str]:
    """Return the heavy modules that the command has imported when it ends."""
    code = (
        "import atexit, json, sys\n"
        f"heavy = lambda: json.dumps([name for name in {HEAVY!r} if name in sys.modules])\n"
        "atexit.register(lambda: print(heavy(), file=sys.stderr))\n"
        f"sys.argv = ['armillary', *{arguments!r}]\n"
        "from armillary.cli import main\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return json.loads(done.stderr.splitlines()[-1])


def main() -> int:
    """Print one line per verb."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    failed = False
    for arguments, budget in BUDGETS.items():
        wall, processor = seconds(arguments, repeats=repeats)
        heavy = heavy_imports(arguments)
        failed |= wall > budget or bool(heavy)
        words = f"imports {', '.join(heavy)}" if heavy else "imports no torch"
        verb = f"armillary {' '.join(arguments)}"
        print(f"{verb:<26} {wall:.3f} s of {budget} s, {processor:.2f} s of a processor, {words}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
