"""`tfx-mobile compile` beside `from tfx import v1` alone, in turn, in the same environment.

    .venv/bin/python benchmarks/compile.py [--pairs 5]

README.md says what is measured and how.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipelines import stack

RESULTS = Path(__file__).parent / "results"
_IMAGE = "registry.example/tfx-mobile:1.0.0"
_TARGET = 0.4


def main() -> None:
    """Measures, prints and writes results/compile-STACK.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--output", type=Path, help="Instead of results/compile-STACK.json.")
    options = parser.parse_args()
    pairs = []
    with tempfile.TemporaryDirectory() as directory:
        commands = {
            "import": [sys.executable, "-c", "from tfx import v1"],
            "compile": [
                str(Path(sys.executable).with_name("tfx-mobile")),
                *("compile", "--image", _IMAGE, "-o", f"{directory}/pipeline.yaml"),
            ],
        }
        for command in commands.values():  # what the disk holds is in memory from here on
            _seconds(command)
        for _ in range(options.pairs):
            pairs.append({name: _seconds(command) for name, command in commands.items()})
            print({name: round(value, 2) for name, value in pairs[-1].items()}, flush=True)
    ratios = [pair["compile"] / pair["import"] for pair in pairs]
    result = {
        "stack": stack.installed().name,
        "cpus": os.cpu_count(),
        "pairs": pairs,
        "ratio": {
            "median": statistics.median(ratios),
            "min": min(ratios),
            "max": max(ratios),
            "target": _TARGET,
            "met": statistics.median(ratios) <= _TARGET,
        },
    }
    output = options.output or RESULTS / f"compile-{stack.installed().name}.json"
    output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result["ratio"]))


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
