"""A fingerprint of the code behind dotted paths, so that editing it invalidates the cache."""

import hashlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

from pipelines import walk

_LIBRARIES = (
    "tfx",
    "tensorflow-cpu",
    "tensorflow",
    "tensorflow-model-analysis",
    "tensorflow-transform",
    "tf-keras",
)
_SUFFIXES = {".py", ".j2"}
"""Sources, and the templates of the report."""


def code_fingerprint(*dotted_paths: str) -> str:
    """SHA-256 over the sources of packages and the versions of the libraries that they run on.

    The cache keys of TFX and KFP hold a dotted path, not the code behind it: without this the
    cache would answer for an edited model.

    Args:
      *dotted_paths: Of functions or modules, such as `modules.lite.run_fn`. The whole top-level
        package of each counts, and none is imported.

    Raises:
      ModuleNotFoundError: No such module.
      OSError: A source cannot be read.
    """
    digest = hashlib.sha256()
    for library in _LIBRARIES:
        try:
            digest.update(f"{library} {importlib.metadata.version(library)}\n".encode())
        except importlib.metadata.PackageNotFoundError:
            continue
    packages = {path.split(".")[0]: path for path in dotted_paths}
    for package, path in sorted(packages.items()):
        spec = importlib.util.find_spec(package)
        if spec is None:
            raise ModuleNotFoundError(f"no module named {path.rpartition('.')[0]!r}")
        digest.update(f"{package}\n".encode())
        for name, file in _sources(spec):
            digest.update(f"{name}\n".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _sources(spec: ModuleSpec) -> Iterator[tuple[str, Path]]:
    """Every source of a package, with or without `__init__.py`, or of a single module."""
    if spec.submodule_search_locations is None:
        if spec.origin is not None:
            yield Path(spec.origin).name, Path(spec.origin)
        return
    for location in spec.submodule_search_locations:
        for entry in walk.files(Path(location), _is_no_source):
            yield entry.name, entry.path


def _is_no_source(listed: "os.DirEntry[str]") -> bool:
    """Whether no import reaches it: editors leave hidden files, even links to nothing."""
    is_source = Path(listed.name).suffix in _SUFFIXES or listed.is_dir()
    return listed.name.startswith(".") or not is_source
