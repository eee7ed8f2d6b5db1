"""How to reach a store. Never credentials: those are for the libraries' own chains to find."""

import contextlib
import dataclasses
import ipaddress
import math
import os
from collections.abc import Mapping
from typing import Literal, cast, get_args
from urllib.parse import urlsplit

from pipelines.errors import SettingsError

Addressing = Literal["auto", "path", "virtual"]


@dataclasses.dataclass(frozen=True)
class Options:
    """How to reach a store.

    Attributes:
      endpoint: Address of an S3 server, `http://` for one without TLS; empty: AWS, or what the
        AWS configuration file says. `minio://` needs one.
      gcs_endpoint: Address of another server than Google's for `gs://`.
      region: Region of S3; empty: as boto3 finds it.
      addressing: Whether an S3 bucket is in the path or in the host name; `auto`: in the path
        where an endpoint is given.
      ca_file: PEM file of the CA that signed the endpoint's certificate; empty: the usual ones.
      verify_tls: False takes any certificate.
      retry_seconds: How long requests that fail for a passing reason are repeated, about.
      timeout_seconds: How long to wait for a store's next byte.

    Raises:
      SettingsError: A value that cannot be used.
    """

    endpoint: str = ""
    gcs_endpoint: str = ""
    region: str = ""
    addressing: Addressing = "auto"
    ca_file: str = ""
    verify_tls: bool = True
    retry_seconds: float = 60.0
    timeout_seconds: float = 20.0

    def __post_init__(self) -> None:
        for endpoint in (self.endpoint, self.gcs_endpoint):
            if endpoint and not endpoint.startswith(("http://", "https://")):
                raise SettingsError(
                    f"the endpoint {endpoint!r} has no scheme: begin it with http:// or https://"
                )
            if "@" in endpoint:
                raise SettingsError(
                    "an endpoint holds credentials before an @: leave them out and set "
                    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                )
        if not 0 <= self.retry_seconds < math.inf:
            raise SettingsError(
                f"the time of retries is {self.retry_seconds}: give a number of seconds"
            )
        if self.addressing not in get_args(Addressing):
            raise SettingsError(
                f"the addressing {self.addressing!r} is unknown: {', '.join(get_args(Addressing))}"
            )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Options":
        """Options as the standard variables say; docs/storage.md lists them.

        Raises:
          SettingsError: A variable has a value that cannot be used.
        """
        emulator = environ.get("STORAGE_EMULATOR_HOST", "")
        if emulator and "://" not in emulator:
            emulator = f"http://{emulator}"  # as Google's other libraries take it
        retry_seconds = environ.get("TFX_MOBILE_STORAGE_RETRY_SECONDS", "60")
        try:
            seconds = float(retry_seconds)
        except ValueError as error:
            raise SettingsError(
                f"TFX_MOBILE_STORAGE_RETRY_SECONDS is {retry_seconds!r}: give a number of seconds"
            ) from error
        return cls(
            endpoint=environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL", ""),
            gcs_endpoint=emulator,
            region=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION", ""),
            addressing=cast(Addressing, environ.get("TFX_MOBILE_S3_ADDRESSING", "auto")),
            ca_file=environ.get("AWS_CA_BUNDLE", ""),
            retry_seconds=seconds,
        )

    @property
    def verify(self) -> bool | str:
        """What requests and botocore call `verify`: a CA's file, or whether to verify."""
        return (self.ca_file or True) if self.verify_tls else False


def on_this_machine(endpoint: str) -> bool:
    """Whether an address is of this machine, to which no proxy leads."""
    host = urlsplit(endpoint).hostname or ""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
