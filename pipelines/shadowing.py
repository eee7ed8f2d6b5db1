"""Which code hides other code of the same name, in this process and in those that it starts."""

import importlib.util
import pkgutil
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from modules.precedence import PACKAGES, current_folder

_ROOT = Path(__file__).parents[1]
"""Where our packages are."""


def hiding_ours() -> list[tuple[str, str]]:
    """Our packages that this process would not take from here, and where it finds them instead.

    Empty where the environment's .pth file is in place; see `modules.precedence`.
    """
    found = [(name, importlib.util.find_spec(name)) for name in PACKAGES]
    files = [(name, spec.origin or "nowhere") for name, spec in found if spec]
    return [(name, file) for name, file in files if Path(file) != _ROOT / name / "__init__.py"]


def hidden_by_ours() -> list[str]:
    """Files and folders of other packages that are called as ours are."""
    folders = [folder for folder in _unique([*sys.path, current_folder()]) if folder != _ROOT]
    specs = [PathFinder.find_spec(name, [str(folder)]) for folder in folders for name in PACKAGES]
    return [spec.origin for spec in specs if spec and spec.origin]


def hiding_packages() -> list[tuple[Path, list[str]]]:
    """Folders that come before the environment's packages, and the modules that they hide of it.

    These are folders of PYTHONPATH, and the user's own site-packages where Python adds them.
    """
    packages, stdlib, scripts = (
        Path(sysconfig.get_path(kind)) for kind in ("purelib", "stdlib", "scripts")
    )
    names = set(_modules(packages)) | sys.stdlib_module_names
    hidden = []
    for folder in _unique(sys.path):
        if folder == packages:
            break
        expected = stdlib in (folder, folder.parent) or folder in (scripts, _ROOT)
        if not expected and (same := sorted(names.intersection(_modules(folder)))):
            hidden.append((folder, same))
    return hidden


def _modules(folder: Path) -> Iterator[str]:
    return (module.name for module in pkgutil.iter_modules([str(folder)]))


def _unique(folders: Iterable[str]) -> list[Path]:
    return list(dict.fromkeys(Path(folder or current_folder()) for folder in folders))
