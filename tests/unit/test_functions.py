"""The user's task and functions: found before any work, and loaded where they run."""

import dataclasses
import os
import sys
import warnings
from pathlib import Path

import pytest

from modules import mnist
from pipelines import functions, settings
from pipelines.errors import SettingsError

FILES = {
    "mine_ok.py": "def run_fn(fn_args): ...\nvalue = 3\n",
    "mine_needs.py": "import json\n\nimport no_such_library\n\ndef run_fn(fn_args): ...\n",
    "mine_fails.py": "def run_fn(fn_args): ...\n\n1 / 0\n",
    "mine_exits.py": "import sys\n\nsys.exit('usage')\n\ndef run_fn(fn_args): ...\n",
    "mine_escapes.py": "digits = '\\d'\n\ndef run_fn(fn_args): ...\n",
    "mine_half.py": "def run_fn(fn_args):\n    return (\n",
    "mine_binary.py": b"\x00\x01",
    "mine_blocks.py": "try:\n    import json\nexcept ImportError:\n    pass\n"
    "else:\n    def run_fn(fn_args): ...\n",
    "mine_imports.py": "from mine_ok import run_fn as train\nfrom json import *\n",
    "mine_makes.py": "globals()['run_fn'] = print\n",
    "mine_partial.py": "import functools\n\nrun_fn = functools.partial(print)\n",
    "mine_package/__init__.py": "raise RuntimeError('finding imports nothing')",
    "mine_package/model.py": "def run_fn(fn_args): ...\n",
    "mine_namespace/model.py": "def run_fn(fn_args): ...\n",
    "random.py": "def run_fn(fn_args): ...\n",
    "yaml.py": "def run_fn(fn_args): ...\n",
    "pytest.py": "def run_fn(fn_args): ...\n",
    "modules.py": "def run_fn(fn_args): ...\n",
    "mine_task.py": "from modules.mnist import TASK\n\nMINE = TASK\n\ndef build(task): ...\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder with the user's modules; nothing of them stays loaded."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in list(sys.modules):
        if name.startswith("mine_"):
            monkeypatch.delitem(sys.modules, name)
    return tmp_path


def load(loaded: settings.Settings) -> None:
    """As the worker, once the task is known."""
    functions.load(loaded, mnist.TASK)


def with_run_fn(path: str) -> settings.Settings:
    return settings.validate({"branches": ["keras", {"name": "lite", "run_fn": path}]})


def refusal(check, path: str) -> str:
    """The sentence, without the beginning that all have."""
    with pytest.raises(SettingsError) as caught:
        check(with_run_fn(path))
    beginning = f"the run_fn of branch 'lite' is {path!r}, and "
    assert str(caught.value).startswith(beginning)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(beginning)


@pytest.mark.parametrize("check", [functions.find, load])
def test_default_functions_are_there(check) -> None:
    check(settings.validate({"branches": list(settings.PRESET_BRANCHES)}))


@pytest.mark.parametrize(
    "path",
    [
        "mine_ok.run_fn",
        "mine_blocks.run_fn",
        "mine_imports.train",
        "mine_imports.run_fn",
        "mine_makes.run_fn",
        "mine_partial.run_fn",
        "mine_package.model.run_fn",
        "mine_namespace.model.run_fn",
        "mine_needs.run_fn",
        "mine_escapes.run_fn",
    ],
)
def test_functions_of_the_current_folder_are_found(folder, path: str) -> None:
    loaded = set(sys.modules)
    warnings.simplefilter("error")  # as PYTHONWARNINGS=error
    functions.find(with_run_fn(path))
    assert {name for name in set(sys.modules) - loaded if name.startswith("mine_")} == set()
    assert sys.path[-1] == str(folder)


MISSING = [
    ("mine_ok.train", "the module 'mine_ok' has no function 'train'"),
    ("missing.run_fn", "there is no module 'missing'"),
    ("missing.model.run_fn", "there is no module 'missing.model'"),
    ("mine_ok.model.run_fn", "there is no module 'mine_ok.model'"),
    ("sys.run_fn", "the module 'sys' has no function 'run_fn'"),
]


@pytest.mark.parametrize(("path", "reason"), MISSING)
@pytest.mark.parametrize("check", [functions.find, load])
def test_what_is_missing_is_named(folder, check, path: str, reason: str) -> None:
    sys.path.append(str(folder))
    assert refusal(check, path) == reason


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("mine_ok.run_fm", "the module 'mine_ok' has no function 'run_fm': did you mean 'run_fn'?"),
        ("mine_half.run_fn", "{folder}/mine_half.py, line 2, is not Python: '(' was never closed"),
        (
            "random.run_fn",
            "the module 'random' has no function 'run_fn': Python has a module 'random' too, "
            "which hides random.py, so rename yours",
        ),
        (
            "pytest.run_fn",
            "the module 'pytest' has no function 'run_fn': an installed package has a module "
            "'pytest' too, which hides pytest.py, so rename yours",
        ),
        (
            "modules.run_fn",
            "the module 'modules' has no function 'run_fn': tfx-mobile has a module 'modules' too, "
            "which hides modules.py, so rename yours",
        ),
    ],
)
def test_what_is_wrong_is_told_before_any_work(folder, path: str, reason: str) -> None:
    assert refusal(functions.find, path) == reason.format(folder=folder)


def test_a_hidden_module_is_told_where_only_running_the_other_would_tell(folder) -> None:
    with pytest.raises(SettingsError, match=r"which hides yaml\.py, so rename"):
        functions.find(with_run_fn("yaml.run_fn"))


def test_a_file_of_bytes_is_not_python(folder) -> None:
    assert f"{folder}/mine_binary.py" in refusal(functions.find, "mine_binary.run_fn")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (
            "mine_needs.run_fn",
            "importing it fails in {folder}/mine_needs.py, line 3: ModuleNotFoundError: "
            "No module named 'no_such_library'",
        ),
        (
            "mine_fails.run_fn",
            "importing it fails in {folder}/mine_fails.py, line 3: ZeroDivisionError: "
            "division by zero",
        ),
        (
            "mine_exits.run_fn",
            "importing it fails in {folder}/mine_exits.py, line 3: SystemExit: usage",
        ),
        ("mine_half.run_fn", "{folder}/mine_half.py, line 2, is not Python: '(' was never closed"),
        ("mine_ok.value", "the module 'mine_ok' has no function 'value'"),
    ],
)
def test_a_module_that_cannot_be_loaded_names_its_line(folder, path: str, reason: str) -> None:
    sys.path.append(str(folder))
    assert refusal(load, path) == reason.format(folder=folder)


@pytest.mark.parametrize("check", [functions.find, load])
def test_unknown_preprocessing_fn(check) -> None:
    with pytest.raises(SettingsError, match=r"^preprocessing_fn is 'a\.b', and there is no module"):
        check(settings.validate({"preprocessing_fn": "a.b"}))


def test_a_current_folder_that_is_gone_is_passed_over(folder) -> None:
    (folder / "gone").mkdir()
    os.chdir(folder / "gone")
    (folder / "gone").rmdir()
    functions.find(settings.Settings())


@pytest.mark.parametrize("path", ["mine_task.TASK", "mine_task.MINE", "mine_makes.TASK"])
def test_a_task_is_found_and_not_imported(folder, path: str) -> None:
    functions.find(settings.validate({"task": path}))
    assert not {"mine_task", "mine_makes"} & set(sys.modules)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("mine_task.MIEN", "the module 'mine_task' has no task 'MIEN': did you mean 'MINE'?"),
        ("missing.TASK", "there is no module 'missing'"),
        (
            "modules.TASK",
            "the module 'modules' has no task 'TASK': tfx-mobile has a module 'modules' too, which "
            "hides modules.py, so rename yours",
        ),
        ("mine_half.TASK", "{folder}/mine_half.py, line 2, is not Python: '(' was never closed"),
    ],
)
def test_a_missing_task_is_told_before_any_work(folder, path: str, reason: str) -> None:
    with pytest.raises(SettingsError) as caught:
        functions.find(settings.validate({"task": path}))
    assert str(caught.value) == f"task is {path!r}, and {reason.format(folder=folder)}"


@pytest.mark.parametrize("check", [functions.find, functions.load])
@pytest.mark.parametrize("field", ["model", "preprocessing_fn"])
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("mine_task.biuld", "the module 'mine_task' has no function 'biuld'"),
        ("missing.build", "there is no module 'missing'"),
        ("mine_task.build", ""),
    ],
)
def test_the_functions_of_a_task(folder, check, field: str, path: str, reason: str) -> None:
    sys.path.append(str(folder))
    task = dataclasses.replace(mnist.TASK, **{field: path})
    if not reason:
        check(settings.Settings(), task)
        return
    with pytest.raises(SettingsError) as caught:
        check(settings.Settings(), task)
    said = f"the {field} of the task 'mnist' is {path!r}, and {reason}"
    assert str(caught.value).removesuffix(": did you mean 'build'?") == said


@pytest.mark.parametrize("check", [functions.find, functions.load])
def test_the_settings_preprocessing_fn_goes_before_the_tasks(check) -> None:
    task = dataclasses.replace(mnist.TASK, preprocessing_fn="missing.preprocessing_fn")
    check(settings.validate({"preprocessing_fn": mnist.TASK.preprocessing_fn}), task)
    with pytest.raises(SettingsError, match=r"^preprocessing_fn is 'a\.b', and there is no module"):
        check(settings.validate({"preprocessing_fn": "a.b"}), task)


def test_a_task_is_no_function_to_load(folder) -> None:
    sys.path.append(str(folder))
    functions.load(settings.validate({"task": "mine_task.MINE"}), mnist.TASK)
