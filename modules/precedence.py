"""What `import` finds in every process of the environment: our packages first, user folders last.

Beam's workers and the processes of `multiprocessing` import other code before any of ours, so a
.pth file of the environment installs this at the start of every interpreter: see
https://docs.python.org/3/library/site.html. Run as a script, this module writes that file.
"""

import os
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

PACKAGES = ("cli", "kubeflow", "modules", "pipelines")
"""Our packages. Kubeflow's SDK, for one, is a `kubeflow` too, and many projects have `modules`."""

USER_FOLDERS = "TFX_MOBILE_USER_FOLDERS"
"""Environment variable: folders with the user's modules, separated as in PATH."""

_PTH = "tfx_mobile.pth"


class Finder:
    """Finds our packages in one folder, whatever `sys.path` says."""

    def __init__(self, root: str, current_folder: str = "") -> None:
        """Take the folder of our packages, and the current folder if it is to go last.

        Python puts the current folder first for `-c` and `-m`, after the .pth files were read: a
        `random.py` there would hide Python's own. So it is moved at the first import.
        """
        self._root = root
        self._misplaced = {"", current_folder} if current_folder else set()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Answer for our packages only, as `importlib.abc.MetaPathFinder`."""
        if self._misplaced and sys.path and sys.path[0] in self._misplaced:
            sys.path.append(sys.path.pop(0))
            self._misplaced = set()
        if path is None and name in PACKAGES:
            return PathFinder.find_spec(name, [self._root], target)
        return None


def install() -> None:
    """Make this interpreter find our packages first, and the user's folders last if it has any."""
    folders = user_folders()
    sys.path += [folder for folder in folders if folder not in sys.path]
    finder = Finder(str(Path(__file__).parents[1]), current_folder() if folders else "")
    sys.meta_path.insert(0, finder)


def user_folders(environ: Mapping[str, str] = os.environ) -> list[str]:
    """The folders that a process with these variables finds the user's modules in."""
    return [folder for folder in environ.get(USER_FOLDERS, "").split(os.pathsep) if folder]


def current_folder() -> str:
    """The current folder; empty if it is gone."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""


def _write_pth(site_packages: Path) -> None:
    """Let every interpreter with these site-packages install the finder; `site` reads one line."""
    line = (
        "import importlib.util as u; "
        f"s = u.spec_from_file_location('tfx_mobile_precedence', {str(Path(__file__).resolve())!a})"
        "; m = u.module_from_spec(s); s.loader.exec_module(m); m.install()\n"
    )
    (site_packages / _PTH).write_text(line, encoding="utf-8")


if __name__ == "__main__":
    _write_pth(Path(sysconfig.get_path("purelib")))
