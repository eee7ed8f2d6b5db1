"""What settings and a task name by dotted paths: the task itself, and its and the user's functions.

The paths are the settings' `task`, `preprocessing_fn` and the `run_fn` of each branch, and the
task's `model` and `preprocessing_fn`.
"""

import ast
import difflib
import importlib
import importlib.util
import sys
import traceback
import warnings
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from modules.precedence import PACKAGES, current_folder
from modules.task import Task
from pipelines import messages
from pipelines.errors import SettingsError
from pipelines.settings import Settings

_TASK = "task"


def find(settings: Settings, task: Task | None = None) -> None:
    """Find the file of every path and the name in it, and import none of them.

    From now on this process looks for modules in the current folder too, last.

    Args:
      settings: Whose paths are looked for.
      task: The task, once it is known, whose paths are looked for too.

    Raises:
      SettingsError: Names the setting, what is missing or broken, and where.
    """
    folder = current_folder()
    if folder and folder not in sys.path:
        sys.path.append(folder)
    importlib.invalidate_caches()
    for role, path in _paths(settings, task):
        module, _, name = path.rpartition(".")
        said = f"{role} is {path!r}"
        spec = _find_spec(module)
        if spec is None:
            raise SettingsError(f"{said}, and there is no module {module!r}{_hidden(module)}")
        bound = _bound_names(spec, said)
        if bound is None and (hidden := _hidden(module)):
            raise SettingsError(f"{said}{hidden}")
        if bound is not None and name not in bound:
            mend = _hidden(module) or _similar(name, bound)
            raise SettingsError(f"{_lacks(role, path)}{mend}")


def load(settings: Settings, task: Task) -> None:
    """Import every function that the settings and the task name.

    Raises:
      SettingsError: Names the setting and what is missing, or the line of the user's module that
        cannot be run.
    """
    for role, path in _paths(settings, task):
        if role != _TASK and not callable(load_value(role, path)):
            raise SettingsError(_lacks(role, path))


def load_value(role: str, path: str) -> Any:
    """Import a module and return what it has at a dotted path.

    Args:
      role: What the path stands for, as a message calls it.
      path: Dotted path.

    Raises:
      SettingsError: There is no such module or name, or the line of the user's module that cannot
        be run.
    """
    module_name, _, name = path.rpartition(".")
    said = f"{role} is {path!r}"
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise SettingsError(f"{said}, and there is no module {module_name!r}") from error
        raise _broken(said, module_name, error) from error
    except (Exception, SystemExit) as error:
        raise _broken(said, module_name, error) from error
    if not hasattr(module, name):
        raise SettingsError(_lacks(role, path))
    return getattr(module, name)


def _paths(settings: Settings, task: Task | None) -> Iterator[tuple[str, str]]:
    """Each path's role, as a message calls it, and the path."""
    if "." in settings.task.name:
        yield _TASK, settings.task.name
    if settings.preprocessing_fn:
        yield "preprocessing_fn", settings.preprocessing_fn
    elif task:
        yield f"the preprocessing_fn of the task {task.name!r}", task.preprocessing_fn
    if task and task.model:
        yield f"the model of the task {task.name!r}", task.model
    for branch in settings.branches:
        yield f"the run_fn of branch {branch.name!r}", branch.run_fn_path


def _lacks(role: str, path: str) -> str:
    module, _, name = path.rpartition(".")
    what = "task" if role == _TASK else "function"
    return f"{role} is {path!r}, and the module {module!r} has no {what} {name!r}"


def _find_spec(module: str) -> ModuleSpec | None:
    """As `importlib.util.find_spec`, which would import the packages above the module."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # `__main__` has none
        return None
    name = top
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
    return spec


def _bound_names(spec: ModuleSpec, said: str) -> set[str] | None:
    """What a module's source binds at its top level; None where only running it would tell.

    Raises:
      SettingsError: The source cannot be read or is not Python.
    """
    if spec.origin in ("built-in", "frozen"):
        return set()
    if spec.origin is None or Path(spec.origin).suffix != ".py":
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an escape such as "\\d" in the user's texts
            tree = ast.parse(Path(spec.origin).read_bytes(), spec.origin)
    except SyntaxError as error:
        where = f"{spec.origin}, line {error.lineno}" if error.lineno else spec.origin
        raise SettingsError(f"{said}, and {where}, is not Python: {error.msg}") from error
    except (OSError, ValueError) as error:
        raise SettingsError(f"{said}, and {spec.origin} cannot be read: {error}") from error
    names = set(_names_of(tree.body))
    return None if names & {"*", "__getattr__"} else names


def _names_of(statements: list[ast.stmt]) -> Iterator[str]:
    """The names that statements bind, those of nested blocks too; `*` for what cannot be told."""
    for node in statements:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (alias.asname or alias.name.partition(".")[0] for alias in names)
            case _:
                for child in ast.walk(node):
                    if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
                        yield child.id
                    elif isinstance(child, ast.Call) and _is_dynamic(child.func):
                        yield "*"
                for block in ("body", "orelse", "finalbody"):
                    yield from _names_of(getattr(node, block, []))
                for part in (*getattr(node, "handlers", []), *getattr(node, "cases", [])):
                    yield from _names_of(part.body)


def _is_dynamic(function: ast.expr) -> bool:
    """`globals().update(...)`, `exec(...)`, `setattr(...)`: these may bind anything."""
    names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    return bool(names & {"globals", "exec", "setattr", "vars"})


def _hidden(module: str) -> str:
    """Why the user's module of that name in the current folder is not the one that is found."""
    top = module.partition(".")[0]
    files = [path for path in (Path(top, "__init__.py"), Path(f"{top}.py")) if path.is_file()]
    spec = _find_spec(top)
    if (
        not files
        or spec is None
        or (spec.origin and files[0].resolve() == Path(spec.origin).resolve())
    ):
        return ""
    if top in PACKAGES:
        whose = "tfx-mobile"
    else:
        whose = "Python" if top in sys.stdlib_module_names else "an installed package"
    return f": {whose} has a module {top!r} too, which hides {files[0]}, so rename yours"


def _similar(name: str, bound: set[str]) -> str:
    close = difflib.get_close_matches(name, bound, 1)
    return f": did you mean {close[0]!r}?" if close else ""


def _broken(said: str, module: str, error: BaseException) -> BaseException:
    """The error with the last line of the user's module that led to it; ours stays as it is."""
    if module.partition(".")[0] in PACKAGES:
        return error
    if isinstance(error, SyntaxError):
        where = f"{error.filename}, line {error.lineno}"
        return SettingsError(f"{said}, and {where}, is not Python: {error.msg}")
    spec = _find_spec(module)
    folder = str(Path(spec.origin).parent) if spec and spec.origin else ""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(folder)]
    where = f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else module
    return SettingsError(f"{said}, and importing it fails in {where}: {messages.describe(error)}")
