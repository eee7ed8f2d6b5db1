"""Checksums of files, as the stores say them."""

import base64
import hashlib
from pathlib import Path
from typing import Any, cast

from pipelines import files


def md5(file: Path) -> str:
    """MD5 of a file, in hexadecimal."""
    digest = hashlib.md5(usedforsecurity=False)
    for block in files.read_blocks(file):
        digest.update(block)
    return digest.hexdigest()


def md5_of_parts(file: Path, part_size: int) -> str:
    """What S3 makes the ETag of an object that came in parts: MD5 of their MD5s, their number.

    Args:
      file: The whole content.
      part_size: Bytes of every part but the last.
    """
    digests = []
    with file.open("rb") as stream:
        while part := stream.read(part_size):
            digests.append(hashlib.md5(part, usedforsecurity=False).digest())
    whole = hashlib.md5(b"".join(digests), usedforsecurity=False)
    return f"{whole.hexdigest()}-{len(digests)}"


def crc32c(file: Path) -> str:
    """CRC32C of a file, big-endian and in Base64 as Google Cloud Storage says it."""
    import google_crc32c

    digest = cast(Any, google_crc32c).Checksum()  # it has types, but not of this
    for block in files.read_blocks(file):
        digest.update(block)
    return str(base64.b64encode(digest.digest()), "ascii")
