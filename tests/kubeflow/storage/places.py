"""Where the tests of the stores put their files."""

import dataclasses

import pytest

from kubeflow.storage import Options
from tests.kubeflow.storage import faults

BUCKET = "tfx-mobile-tests"
ALL = ("local", "rclone", "minio", "gcs")
REMOTE = ("rclone", "minio", "gcs")
S3 = ("rclone", "minio")


def stores(*kinds: str) -> pytest.MarkDecorator:
    """Runs a test with its `place` in each of these stores."""
    return pytest.mark.parametrize("place", kinds, indirect=True)


@dataclasses.dataclass(frozen=True)
class Place:
    """A fresh directory in a store, and what reaches it."""

    kind: str
    uri: str
    options: Options
    environment: dict[str, str]
    endpoint: str

    def through(self, proxy: faults.Proxy, retry_seconds: float = 4) -> Options:
        """Options for the same store through a proxy."""
        field = "gcs_endpoint" if self.kind == "gcs" else "endpoint"
        return dataclasses.replace(
            self.options, retry_seconds=retry_seconds, **{field: proxy.endpoint}
        )
