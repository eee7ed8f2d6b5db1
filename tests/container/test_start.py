"""The image starts as KFP starts it: any user, read-only root, no capability, no network."""

import json
from pathlib import Path

import pytest

from tests.container.engine import Engine

# As the container's entrypoint of TFX does with --executor_class_path.
EXECUTORS = """
import json
from tfx.utils import import_utils
from modules import mnist
from pipelines import dag, settings
places = dag.Places(examples="examples", serving="serving")
found = {}
for component in dag.components(settings.Settings(), mnist.TASK, places, dag.Run("", "")):
    path = component.executor_spec.class_path
    found[component.id] = import_utils.import_class_by_path(path).__name__
print(json.dumps(found))
"""
NODES = {
    "example-gen",
    "statistics-gen",
    "schema-gen",
    "example-validator",
    "transform",
    "trainer-keras",
    "evaluator-keras",
    "pusher-keras",
    "trainer-lite",
    "validator-lite",
    "evaluator-lite",
    "pusher-lite",
    "comparison",
}


def test_every_executor_can_be_imported(engine: Engine, image: str) -> None:
    done = engine.run(image, ["python", "-c", EXECUTORS])

    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout.splitlines()[-1])) == NODES


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [(["--help"], "Usage: tfx-mobile"), (["doctor"], "nothing is missing")],
)
def test_the_command_runs(engine: Engine, image: str, arguments: list[str], expected: str) -> None:
    done = engine.run(image, ["tfx-mobile", *arguments])

    assert done.returncode == 0, done.stderr
    assert expected in done.stdout


def test_the_command_is_what_a_container_runs_unasked(engine: Engine, image: str) -> None:
    done = engine.docker("run", "--rm", "--network", "none", "--read-only", image, "--version")

    assert done.stdout.startswith("tfx-mobile, version ")


def test_the_flags_are_in_force(engine: Engine, image: str) -> None:
    script = """
import json, os, pathlib
status = dict(l.split(":", 1) for l in pathlib.Path("/proc/self/status").read_text().splitlines())
def writable(place):
    try:
        pathlib.Path(place, "probe").write_text("")
    except OSError:
        return False
    return True
places = ["/", "/opt/tfx-mobile", "/usr", "/etc", "/root", "/tmp", "/gcs", "/s3", "/minio"]
print(json.dumps({
    "user": os.getuid(),
    "capabilities": int(status["CapEff"], 16),
    "no_new_privileges": int(status["NoNewPrivs"]),
    "interfaces": sorted(os.listdir("/sys/class/net")),
    "home": str(pathlib.Path.home()),
    "writable": [place for place in places if writable(place)],
}))
"""
    done = engine.run(image, ["python", "-c", script])

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "user": 12345,
        "capabilities": 0,
        "no_new_privileges": 1,
        "interfaces": ["lo"],
        "home": "/tmp",
        "writable": ["/tmp", "/gcs", "/s3", "/minio"],
    }


def test_a_module_of_the_user_is_found_in_its_folder(
    engine: Engine, image: str, tmp_path: Path
) -> None:
    """Also where a folder hides our packages or Python's own."""
    own, current = tmp_path / "own", tmp_path / "current"
    for folder, names in ((own, ["my_model"]), (current, ["kubeflow", "modules", "queue"])):
        folder.mkdir()
        for name in names:
            (folder / f"{name}.py").write_text(f"print({name!r})\n")
    program = "import my_model, kubeflow.names, modules.precedence, queue; print(queue.__file__)"
    done = engine.run(
        image,
        ["python", "-c", program],
        volumes={own: "/opt/user", current: "/work"},
        options=("--workdir", "/work"),
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("my_model\n/usr/local/lib/python3")


def test_imports_write_nothing_even_where_they_may(engine: Engine, image: str) -> None:
    modules = "import tfx.components, tensorflow_model_analysis, kfp, cli.main, pipelines.dag"
    with engine.container(image) as (container, _):
        # Root, a writable file system, and an empty variable: Python may write bytecode.
        called = engine.docker(
            *("exec", "--env", "PYTHONDONTWRITEBYTECODE=", container),
            *("python", "-W", "ignore", "-c", f"{modules}; open('/etc/probe', 'w')"),
        )
        changed = engine.docker("diff", container).stdout.split("\n")

    assert called.returncode == 0
    assert "A /etc/probe" in changed
    assert [line for line in changed if line and not line[2:].startswith(("/etc", "/tmp"))] == []
