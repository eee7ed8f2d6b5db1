"""`~` is the home directory in every path that a user gives; in paths of pods it is refused."""

import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from cli.main import main
from cli.parameter_types import Place, UserPath
from kubeflow.package import Package
from pipelines import paths, settings
from pipelines.errors import SettingsError

GOLDEN = Path(__file__).parents[1] / "kubeflow" / "golden" / "legacy.yaml"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "home"
    directory.mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("HOME", str(directory))
    monkeypatch.chdir(tmp_path / "elsewhere")
    return directory


def tfx_mobile(*arguments: str, code: int) -> Result:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, (result.output, result.exception)
    return result


def parameters(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Parameter]]:
    """Every parameter of every command, with its full name."""
    yield from ((f"{name} {parameter.name}", parameter) for parameter in command.params)
    for subcommand in getattr(command, "commands", {}).values():
        yield from parameters(subcommand, f"{name} {subcommand.name}".strip())


def test_every_path_of_every_command_may_begin_with_home() -> None:
    taken = {
        name: parameter.type
        for name, parameter in parameters(main)
        if isinstance(parameter.type, click.Path | Place)
    }
    assert {name for name, kind in taken.items() if not isinstance(kind, UserPath | Place)} == set()
    for name in (
        *("run output", "run settings_file", "data output", "data push directory", "data push uri"),
        *("data push ca_file", "data ls uri", "data prune uri", "compile output", "report run"),
        *("report output", "upload compiled", "schedule diff file", "schedule apply file"),
    ):
        assert name in taken


def test_datasets(home: Path) -> None:
    output = tfx_mobile("data", "--source", "digits", "--output=~/set", code=0).stdout
    assert (home / "set" / "dataset.json").is_file()
    assert output.startswith(f"{home}/set: ")
    tfx_mobile("data", "push", "~/set", "~/pushed", code=0)
    assert (home / "pushed" / "dataset.json").is_file()
    assert "current" in tfx_mobile("data", "ls", "~/pushed", code=0).stdout
    assert "nothing to remove" in tfx_mobile("data", "prune", "~/pushed", code=0).stdout
    tfx_mobile("data", "--source", "~/set", "--output", "again", code=0)
    assert os.listdir(".") == ["again"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("run --output x --settings ~/mine.yaml", "cannot read the settings file HOME/mine.yaml"),
        ("data --source ~/images --output x", "there is no data at HOME/images"),
        ("report ~/demo", "HOME/demo"),
        ("upload ~/mine.yaml", "cannot read HOME/mine.yaml"),
        ("schedule diff --file ~/mine.yaml", "cannot read the schedules in HOME/mine.yaml"),
    ],
)
def test_files_are_looked_for_at_home(home: Path, command: str, words: str) -> None:
    result = CliRunner().invoke(main, command.split())
    assert result.exit_code == 2
    assert words.replace("HOME", str(home)) in result.stderr
    assert os.listdir(".") == []


@pytest.mark.parametrize(
    "override",
    [
        "data.source=~/x",
        "cluster.token_file=~/x",
        "cluster.cookie_file=~/x",
        "cluster.ca_file=~/x",
        "beam={runner: spark, master: local, job_server_jar: ~/x}",
    ],
)
def test_settings(home: Path, override: str) -> None:
    loaded = settings.load(overrides=[override]).model_dump()
    group, _, key = override.partition("=")[0].partition(".")
    assert loaded[group][key or "job_server_jar"] == f"{home}/x"


@pytest.mark.parametrize("key", ["data", "push_to", "pipeline_root"])
def test_paths_of_pods_have_no_home(key: str) -> None:
    with pytest.raises(SettingsError, match=rf"kubeflow\.{key}: "):
        settings.load(overrides=[f"kubeflow.{key}=~/x"])


@pytest.mark.parametrize("name", ["data_uri", "push_to"])
def test_parameters_of_runs_have_no_home(name: str) -> None:
    package = Package.read(GOLDEN)
    assert package.arguments({name: "/mounted"}) == {name: "/mounted"}
    with pytest.raises(SettingsError, match=f"parameter {name} cannot be '~/x'.*not your home"):
        package.arguments({name: "~/x"})


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--output=~nouser/x"),
        ("run", "--output=x", "--settings=~nouser/x"),
        ("run", "--output=x", "--data=~nouser/x"),
        ("data", "--output=~nouser/x"),
        ("data", "ls", "~nouser/x"),
        ("data", "push", "~nouser/x", "y"),
        ("upload", "~nouser/x"),
        ("report", "~nouser/x"),
        ("schedule", "diff", "--file", "~nouser/x"),
        ("compile", "-o", "~nouser/x"),
    ],
    ids=" ".join,
)
def test_unknown_user_is_one_sentence(home: Path, arguments: tuple[str, ...]) -> None:
    (line,) = tfx_mobile(*arguments, code=2).stderr.splitlines()
    assert line.startswith("tfx-mobile: ")
    assert "there is no home directory ~nouser: write ./~nouser/x if the name begins" in line
    assert os.listdir(".") == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--output="),
        ("run", "--output=x", "--settings="),
        ("data", "--output="),
        ("data", "push", "", "y"),
        ("data", "ls", ""),
        ("upload", ""),
        ("report", ""),
        ("compile", "-o", ""),
    ],
    ids=" ".join,
)
def test_empty_path_is_not_the_current_folder(home: Path, arguments: tuple[str, ...]) -> None:
    (line,) = tfx_mobile(*arguments, code=2).stderr.splitlines()
    assert line.endswith(": is empty, give a path")
    assert os.listdir(".") == []


def test_output_that_is_a_uri_makes_no_directory(home: Path) -> None:
    (line,) = tfx_mobile("run", "--output", "gs://bucket/x", code=2).stderr.splitlines()
    assert line.endswith("the output is a directory of this machine, and gs:/bucket/x is a URI")
    assert os.listdir(".") == []


def test_only_a_leading_tilde_is_home(home: Path) -> None:
    assert paths.expand("~") == str(home)
    for path in ("./~x", "a/~/b", "s3://bucket/~/x", "a~", ""):
        assert paths.expand(path) == path


@pytest.mark.parametrize(
    "arguments",
    [
        *(("submit", "--every", value) for value in ("nan", "inf", "0", "-1", "1e400", "86401")),
        *(("runs", "list", "--limit", value) for value in ("0", "99999999999999999999", "1e3")),
        *(("data", "prune", "x", "--keep", value) for value in ("0", "nan", "1.5")),
        *(
            ("data", "--source=digits", "--output=x", "--eval-fraction", value)
            for value in ("nan", "inf", "1e400", "0")
        ),
    ],
    ids=" ".join,
)
def test_numbers_that_cannot_be_meant(home: Path, arguments: tuple[str, ...]) -> None:
    tfx_mobile(*arguments, code=2)
    assert os.listdir(".") == []
