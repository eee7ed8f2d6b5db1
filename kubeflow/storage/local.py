"""Files of this machine with the interface of a store."""

import shutil
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from kubeflow.storage import checksums
from kubeflow.storage.objects import Object, OnBytes
from pipelines import files, walk
from pipelines.errors import StorageMissingError


def list_files(directory: Path) -> Iterator[Path]:
    """The files below a directory, sorted; without what a killed transfer left half-written.

    Raises:
      OSError: As `pipelines.walk.entries`.
    """
    for entry in walk.files(directory, lambda listed: files.is_partial(Path(listed.name))):
        yield entry.path


class LocalStore:
    """Files of this machine; a key is a path."""

    def list(self, prefix: str) -> list[Object]:
        """Every file below a directory."""
        root = Path(prefix)
        return [self._describe(file, root) for file in list_files(root)] if root.is_dir() else []

    def read(self, key: str) -> bytes:
        """The content of a file."""
        try:
            return Path(key).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise StorageMissingError(f"there is no file {key}: check the path") from error

    def write(self, key: str, data: bytes) -> None:
        """Writes a file."""
        with files.replacing(Path(key)) as partial:
            partial.write_bytes(data)

    def create(self, key: str, data: bytes) -> bool:
        """Creates a file unless something exists at its path."""
        return files.create_bytes(Path(key), data)

    def fetch(self, key: str, file: Path, on_bytes: OnBytes) -> None:
        """Copies a file from its key."""
        shutil.copyfile(key, file)
        on_bytes(file.stat().st_size)

    def put(self, file: Path, key: str, on_bytes: OnBytes) -> None:
        """Copies a file to its key."""
        with files.replacing(Path(key)) as partial:
            shutil.copyfile(file, partial)
            on_bytes(partial.stat().st_size)

    def delete(self, key: str) -> None:
        """Removes a file."""
        Path(key).unlink(missing_ok=True)

    def holds(self, found: Object, key: str, file: Path) -> bool | None:
        """Compares MD5."""
        return found.checksum == f"md5:{checksums.md5(file)}"

    def make_bucket(self, prefix: str, region: str) -> bool:
        """Directories come with their first file."""
        return False

    def close(self, cancel: bool) -> None:
        """Nothing to let go of."""

    @staticmethod
    def _describe(file: Path, root: Path) -> Object:
        status = file.stat()
        return Object(
            name=file.relative_to(root).as_posix(),
            size=status.st_size,
            checksum=f"md5:{checksums.md5(file)}",
            modified=datetime.fromtimestamp(status.st_mtime, timezone.utc),
        )
