"""The compiled default pipeline as it is kept for each stack.

.venv/bin/python -m tests.kubeflow.golden_file    writes the file of this stack again
"""

import re
from pathlib import Path

from pipelines import settings, stack

IMAGE = "registry.example/tfx-mobile@sha256:" + "0" * 64


def file() -> Path:
    """The file of the stack that is installed."""
    return Path(__file__).parent / "golden" / f"{stack.installed().name}.yaml"


def compiled() -> str:
    """The default settings compiled; the fingerprints of the code change with every edit."""
    from kubeflow.compiler import compile as compiler

    text = compiler.to_yaml(compiler.compile_pipeline(settings.load(), IMAGE))
    return re.sub(r'("code": )"[0-9a-f]{64}"', r'\1"<fingerprint>"', text)


if __name__ == "__main__":
    file().parent.mkdir(exist_ok=True)
    file().write_text(compiled())
