"""Real MNIST images: the figures that the presets promise, on 8,000 / 2,000 of them."""

import pytest

from tests.pipeline.conftest import run

pytestmark = pytest.mark.e2e

# 2,000 steps of 40 are ten passes over 8,000 images.
TEN_EPOCHS = ["--set", "training.steps=2000", "--set", "training.batch_size=40"]


def test_mlp_in_every_export(mnist, tmp_path):
    branches = "branches=[keras, lite, lite-dynamic, lite-float16, lite-int8]"
    made = run(tmp_path / "mlp", "--data", str(mnist), *TEN_EPOCHS, "--set", branches)
    assert made.completed.returncode == 0, made.completed.stderr
    report = made.report
    assert report["dataset"]["train_examples"] == 8000
    assert report["dataset"]["eval_examples"] == 2000
    assert report["branches"]["keras"]["accuracy"] >= 0.9155
    assert report["comparison"]["lite"]["agreement"] == 1
    sizes = {name: branch["model_bytes"] for name, branch in report["branches"].items()}
    assert sizes["lite"] < 230_000
    assert sizes["lite-float16"] < 0.55 * sizes["lite"]
    assert sizes["lite-dynamic"] < 0.3 * sizes["lite"]
    assert sizes["lite-int8"] < 0.3 * sizes["lite"]
    for name, compared in report["comparison"].items():
        assert compared["agreement"] >= 0.995, name
        assert report["branches"][name]["accuracy"] >= 0.9145, name
        for item in compared["disagreements"]:
            assert item["keras"] != item["other"]


def test_cnn(mnist, tmp_path):
    how = [
        *TEN_EPOCHS,
        "--set",
        "training.preset=cnn",
        "--set",
        "branches=[keras, lite, lite-int8]",
    ]
    made = run(tmp_path / "cnn", "--data", str(mnist), *how)
    assert made.completed.returncode == 0, made.completed.stderr
    branches = made.report["branches"]
    for branch in branches.values():
        assert branch["accuracy"] >= 0.9625
        assert branch["operators"] == branch["delegated"]
        assert branch["warnings"] == []
    assert branches["lite"]["model_bytes"] < 90_000
    assert branches["lite-int8"]["latency_us"]["p50"] < branches["lite"]["latency_us"]["p50"]
