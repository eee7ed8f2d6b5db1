"""What runs on KFP, compiled once, and a bucket to run it in."""

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.container.fixtures import engine, image
from tests.kubeflow.storage import servers

__all__ = ["bucket", "dataset", "engine", "image"]

COMMAND = Path(sys.executable).with_name("tfx-mobile")
BUCKET = "mobile"
DATA = "v2/artifacts/tfx-mobile/data"


@dataclasses.dataclass(frozen=True)
class Bucket:
    """A bucket of a running S3 server."""

    server: servers.S3Server
    name: str
    client: Any

    def uri(self, key: str = "") -> str:
        """The URI of a key."""
        return f"s3://{self.name}/{key}".rstrip("/")

    def keys(self, prefix: str = "") -> list[str]:
        """What is there."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix
        )
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def put_directory(self, directory: Path, key: str) -> None:
        """Uploads a directory, as somebody else's program would."""
        for file in directory.rglob("*"):
            if file.is_file():
                name = file.relative_to(directory).as_posix()
                self.client.upload_file(str(file), self.name, f"{key}/{name}")


def connect(server: servers.S3Server) -> Any:
    """A client that is not the project's own."""
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name="us-east-1",
        config=Config(
            s3={"addressing_style": "path"},
            # rclone's server waits for a body that ends otherwise.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            read_timeout=300,
        ),
    )


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    directory = tmp_path_factory.mktemp("store")
    (directory / BUCKET).mkdir()
    with servers.rclone(directory) as server:
        yield Bucket(server, BUCKET, connect(server))


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled digits."""
    directory = tmp_path_factory.mktemp("data") / "digits"
    subprocess.run([COMMAND, "data", "--source", "digits", "--output", str(directory)], check=True)
    return directory
