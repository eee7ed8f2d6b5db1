"""A fingerprint of the code behind a dotted path, so that editing it invalidates the cache."""

import hashlib
import importlib.metadata
import importlib.util
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
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module named {module_name!r}")
    origin = Path(spec.origin)
    files = sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]
    digest = hashlib.sha256()
    for package in ("tfx", "tensorflow-cpu", "tensorflow"):
        try:
            digest.update(f"{package} {importlib.metadata.version(package)}\n".encode())
        except importlib.metadata.PackageNotFoundError:
            continue
    for file in files:
        digest.update(f"{file.relative_to(origin.parent)}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
