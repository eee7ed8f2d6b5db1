"""A fingerprint of the code behind a dotted path, so that editing it invalidates the cache."""

import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path


def code_fingerprint(dotted_path: str) -> str:
    """SHA-256 over the sources of a function's package and the versions it runs on.

    TFX's cache key holds a dotted path, not the code behind it: without this an edited model
    would be served from the cache.

    Args:
      dotted_path: Of a function, such as `modules.lite.run_fn`; its module is not imported.

    Raises:
      ModuleNotFoundError: No such module.
    """
    module_name = dotted_path.rpartition(".")[0]
    spec = importlib.util.find_spec(module_name.split(".")[0])
    if spec is None:
        raise ModuleNotFoundError(f"no module named {module_name!r}")
    digest = hashlib.sha256()
    for package in ("tfx", "tensorflow-cpu", "tensorflow"):
        try:
            digest.update(f"{package} {importlib.metadata.version(package)}\n".encode())
        except importlib.metadata.PackageNotFoundError:
            continue
    for folder, file in _sources(spec):
        digest.update(f"{file.relative_to(folder)}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _sources(spec: ModuleSpec) -> Iterator[tuple[Path, Path]]:
    """Every source of a package, with or without `__init__.py`, or of a single module."""
    if spec.submodule_search_locations is None:
        if spec.origin is not None:
            yield Path(spec.origin).parent, Path(spec.origin)
        return
    for location in spec.submodule_search_locations:
        for file in sorted(Path(location).rglob("*.py")):
            yield Path(location), file
