"""Time the verbs that a person types most, and refuse torch in them.

Best of several, since the budget is for a warm disk and an idle core. Exit status 1 when one is over its budget or has
imported torch.
"""

import argparse
import json
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

BUDGETS = {("--help",): 0.3, ("plugins", "list"): 0.3, ("components",): 0.3, ("recipes", "list"): 0.3}
HEAVY = ("torch", "numpy", "e3nn", "lightning_fabric")


def seconds(arguments: tuple[str, ...], *, repeats: int) -> float:
    """Return the shortest time of the installed command, from start to end of its process."""
    command = [str(Path(sysconfig.get_path("scripts")) / "armillary"), *arguments]
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)


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
    """Print one line a verb."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    failed = False
    for arguments, budget in BUDGETS.items():
        took, heavy = seconds(arguments, repeats=repeats), heavy_imports(arguments)
        failed |= took > budget or bool(heavy)
        words = f"imports {', '.join(heavy)}" if heavy else "imports no torch"
        print(f"armillary {' '.join(arguments):<14} {took:.3f} s of {budget} s, {words}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
