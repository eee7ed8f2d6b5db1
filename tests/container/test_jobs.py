"""The image and the Jobs of the manifests."""

import pytest

from tests.container.engine import Engine
from tests.kubeflow import policies
from tests.kubeflow.kustomize import MANIFESTS, OVERLAYS, render


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_image_has_what_the_jobs_call(engine: Engine, image: str, name: str) -> None:
    """With a read-only root, as another user, without network."""
    for job, spec in policies.pods(render(MANIFESTS / "overlays" / name)):
        for step in policies.containers(spec):
            command = step.get("command", ["tfx-mobile", step["args"][0]])
            done = engine.run(image, [*command, "--help"])
            assert done.returncode == 0, (job, done.stderr)
