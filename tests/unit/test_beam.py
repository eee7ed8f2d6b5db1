"""Beam's arguments follow from the settings; what cannot work is refused before anything runs."""

import contextlib
import os
import sys

import pytest

from pipelines import beam, settings
from pipelines.errors import EnvironmentLacksError, SettingsError, TfxMobileError

CLUSTER = {
    "runner": "portable",
    "job_endpoint": "jobs:8099",
    "environment": "EXTERNAL",
    "environment_config": "localhost:50000",
}
FLINK = {"runner": "flink", "master": "local", "job_server_jar": "/nowhere/server.jar"}


def arguments(**values):
    return beam.pipeline_args(settings.Beam(**values))


def refusal(**values):
    with pytest.raises(SettingsError) as caught:
        settings.validate({"beam": values})
    return str(caught.value)


def parsed(args):
    """What Beam itself makes of the arguments."""
    from apache_beam.options.pipeline_options import PipelineOptions

    return PipelineOptions(args).get_all_options()


def test_beam_stays_in_this_process():
    for values in ({}, {"workers": 1}):
        options = parsed(arguments(**values))
        assert options["runner"].endswith("FnApiRunner")
        assert options["direct_running_mode"] == "in_memory"
        assert options["direct_num_workers"] == 1


def test_several_processes_where_the_settings_say_so():
    options = parsed(arguments(workers=3))
    assert options["direct_num_workers"] == 3
    assert options["direct_running_mode"] == "multi_processing"


@pytest.mark.parametrize(
    ("executable", "values", "refused"),
    [
        ("/a user/.venv/bin/python", {"workers": 2}, True),
        ("/a'user/.venv/bin/python", {"workers": 2}, True),
        ("/a user/.venv/bin/python", {"workers": 1}, False),
        ("/a user/.venv/bin/python", {}, False),
        ("/a user/.venv/bin/python", FLINK, False),
        ("/user/.venv/bin/python", {"workers": 2}, False),
    ],
)
def test_workers_that_beam_cannot_start_are_refused(monkeypatch, executable, values, refused):
    """Beam waits for them for ever: the shell does not find the first half of the path."""
    monkeypatch.setattr(sys, "executable", executable)
    expected = pytest.raises(EnvironmentLacksError, match=r"set beam\.workers=1, or move")
    with expected if refused else contextlib.nullcontext():
        beam.check_workers(settings.Beam(**values))


def test_a_running_job_server():
    options = parsed(arguments(**CLUSTER, options=("--parallelism=4",)))
    assert options["runner"] == "PortableRunner"
    assert options["job_endpoint"] == "jobs:8099"
    assert options["environment_type"] == "EXTERNAL"
    assert options["environment_config"] == "localhost:50000"
    assert options["parallelism"] == 4


def test_the_address_of_the_own_job_server_is_no_part_of_the_cache_key(monkeypatch):
    """TFX hashes the arguments, and the port is another one each time."""
    from tfx.dsl.compiler import placeholder_utils
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
    from tfx.orchestration.portable import data_types

    def encoded(port):
        monkeypatch.setenv(beam._ENDPOINT, f"localhost:{port}")
        spec = BeamExecutorSpec(BaseBeamExecutor)
        spec.add_beam_pipeline_args(arguments(**FLINK))
        return spec.encode()

    def resolved():
        context = placeholder_utils.ResolutionContext(exec_info=data_types.ExecutionInfo())
        return [
            placeholder_utils.resolve_placeholder_expression(argument, context)
            for argument in made.beam_pipeline_args_placeholders
        ]

    assert encoded(1) == encoded(2)
    made = encoded(3)
    assert parsed(resolved())["job_endpoint"] == "localhost:3"


def test_options_come_last_and_reach_the_direct_runner_too():
    assert arguments(options=("--experiments=a",))[-1] == "--experiments=a"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"runner": "dataflow"}, "Dataflow's workers see gs:// alone"),
        ({"runner": "Flink"}, "beam.runner: Input should be"),
        ({**FLINK, "master": ""}, "the runner flink needs master"),
        ({**FLINK, "job_server_jar": ""}, "the runner flink needs job_server_jar"),
        ({**FLINK, "runner": "spark", "master": ""}, "the runner spark needs master"),
        ({**FLINK, "workers": 2}, "workers is not for the runner flink"),
        ({**FLINK, "job_endpoint": "a:1"}, "job_endpoint is not for the runner flink"),
        ({"runner": "portable"}, "the runner portable needs job_endpoint"),
        ({**CLUSTER, "master": "local"}, "master is not for the runner portable"),
        ({**CLUSTER, "job_endpoint": "jobs"}, "beam.job_endpoint: "),
        ({"master": "local"}, "master is not for the runner direct"),
        ({"environment": "DOCKER", "environment_config": "a"}, "environment is not for the runner"),
        ({**CLUSTER, "environment_config": ""}, "the environment EXTERNAL needs an"),
        ({**CLUSTER, "environment": "LOOPBACK"}, "the environment LOOPBACK takes no"),
        ({**CLUSTER, "staging_claim": "shared"}, "staging_claim needs staging"),
        ({"staging": "/mnt"}, "staging is not for the runner direct"),
        ({**CLUSTER, "staging": "gs://bucket"}, "beam.staging: "),
        ({"options": ["parallelism=4"]}, "options are --NAME or --NAME=VALUE each"),
        ({"options": ["--runner=FlinkRunner"]}, "the option --runner follows from the other"),
    ],
)
def test_contradictions(values, sentence):
    message = refusal(**values)
    assert sentence in message
    assert message.startswith("beam")
    assert "\n" not in message


@pytest.mark.parametrize("name", ["s3_secret_access_key", "s3_session_token", "my_password"])
def test_a_secret_is_refused_and_not_repeated(name):
    message = refusal(options=[f"--{name}=hunter2"])
    assert f"--{name} would show a secret" in message
    assert "hunter2" not in message


def test_without_a_jar(tmp_path):
    flink = settings.Beam(**{**FLINK, "job_server_jar": str(tmp_path / "server.jar")})
    with (
        pytest.raises(EnvironmentLacksError, match=r"server\.jar, and there is no such file"),
        beam.job_server(flink),
    ):
        raise AssertionError("the block ran")


def test_without_java(tmp_path, monkeypatch):
    jar = tmp_path / "server.jar"
    jar.touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    flink = settings.Beam(**{**FLINK, "job_server_jar": str(jar)})
    with (
        pytest.raises(EnvironmentLacksError, match="there is no java on PATH"),
        beam.job_server(flink),
    ):
        raise AssertionError("the block ran")


@pytest.fixture
def java(tmp_path, monkeypatch):
    """A program in Java's place, which shows how it is called."""

    def make(body):
        program = tmp_path / "java"
        program.write_text(f"#!{sys.executable}\nimport socket, sys, time\n{body}")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        jar = tmp_path / "server.jar"
        jar.touch()
        return settings.Beam(**{**FLINK, "job_server_jar": str(jar)})

    return make


def test_a_job_server_that_ends_at_once(java):
    with pytest.raises(TfxMobileError, match="ended while it started"), beam.job_server(java("")):
        raise AssertionError("the block ran")


def test_no_job_server_where_none_is_needed(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with beam.job_server(settings.Beam()), beam.job_server(settings.Beam(**CLUSTER)):
        assert beam._ENDPOINT not in os.environ
