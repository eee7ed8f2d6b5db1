"""Where something is: gs://bucket/key, s3://bucket/key, minio://bucket/key or a plain path."""

import dataclasses
from typing import Literal, cast

from pipelines.errors import StorageRefusedError

Scheme = Literal["gs", "s3", "minio", ""]
_SCHEMES = ("gs", "s3", "minio")


@dataclasses.dataclass(frozen=True)
class Location:
    """A place in a store.

    Attributes:
      scheme: `gs`, `s3`, `minio`, or empty for a plain path.
      bucket: Empty for a plain path.
      key: What follows the bucket, without slashes at its ends; or the path as given.
    """

    scheme: Scheme
    bucket: str
    key: str

    def __str__(self) -> str:
        if not self.scheme:
            return self.key
        return f"{self.scheme}://{self.bucket}/{self.key}".rstrip("/")

    @property
    def prefix(self) -> str:
        """The key as a directory: ends with a slash, or is empty for a whole bucket."""
        return f"{self.key}/" if self.key else ""


def is_remote(uri: str) -> bool:
    """Whether something is a URI and no plain path; its scheme may be one that nobody knows."""
    return "://" in uri


def parse(uri: str) -> Location:
    """A URI or path taken apart.

    Raises:
      StorageRefusedError: An unknown scheme, no bucket, or a step such as `..` in the key.
    """
    if not is_remote(uri):
        if not uri:
            raise StorageRefusedError("the path is empty: give a path or a URI as s3://bucket/path")
        return Location("", "", uri)
    scheme, _, rest = uri.partition("://")
    if scheme not in _SCHEMES:
        raise StorageRefusedError(
            f"{uri} has the unknown scheme {scheme}: gs://, s3:// and minio:// are known"
        )
    bucket, _, key = rest.partition("/")
    if not bucket:
        raise StorageRefusedError(f"{uri} names no bucket: write {scheme}://BUCKET/PATH")
    key = key.strip("/")
    if key and not is_plain(key):
        raise StorageRefusedError(f"{uri} holds an empty step, . or ..: write the path without it")
    return Location(cast(Scheme, scheme), bucket, key)


def is_plain(name: str) -> bool:
    """Whether every step of a "/"-separated name is a name, so that it stays in its directory."""
    return not {"", ".", ".."} & set(name.split("/"))
