"""The compiled default pipeline as it is kept for each stack.

    .venv/bin/python -m tests.kubeflow.golden_file    writes the file of this stack again

The other stack's comes from its file, compiled there with `--image` IMAGE:

    .venv/bin/python -m tests.kubeflow.golden_file current < made.yaml
"""

import difflib
import re
import sys
from pathlib import Path

from modules import mnist
from pipelines import settings, stack

IMAGE = "registry.example/tfx-mobile@sha256:" + "0" * 64
FOLDER = Path(__file__).parent / "golden"


def kept(stack_name: str) -> Path:
    """The file of a stack."""
    return FOLDER / f"{stack_name}.yaml"


def masked(text: str) -> str:
    """Without the fingerprints of the code, which change with every edit."""
    return re.sub(r"(code:\s+runtimeValue:\s+constant: )[0-9a-f]{64}\b", r"\1<fingerprint>", text)


def drift(text: str, stack_name: str) -> str:
    """The difference between what was compiled and what is kept; empty if there is none."""
    before, now = kept(stack_name).read_text().splitlines(), masked(text).splitlines()
    return "\n".join(difflib.unified_diff(before, now, "kept", "compiled", lineterm="", n=2))


def compiled() -> str:
    """The default settings compiled on this stack."""
    from kubeflow.compiler import compile as compiler

    return compiler.to_yaml(compiler.compile_pipeline(settings.load(), mnist.TASK, IMAGE))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        kept(sys.argv[1]).write_text(masked(sys.stdin.read()))
    else:
        kept(stack.installed().name).write_text(masked(compiled()))
