"""Buckets of Google Cloud Storage, by Google's library."""

import concurrent.futures
import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google.api_core.exceptions
import google.auth.exceptions
import google.resumable_media
import requests
import urllib3.exceptions
from google.api_core.retry import Retry
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

from kubeflow.storage import answers, checksums
from kubeflow.storage.objects import Object, OnBytes
from kubeflow.storage.options import Options, on_this_machine
from kubeflow.storage.uris import Location
from pipelines.errors import StorageError, StorageMissingError, StorageRefusedError
from pipelines.messages import one_line

_GOOGLE = "https://storage.googleapis.com"
_UNREADABLE = (AttributeError, LookupError, TypeError, ValueError)
"""What the library raises where JSON has other fields or types: it reads them without a look."""


class GcsStore:
    """A bucket."""

    def __init__(self, location: Location, options: Options) -> None:
        self._name_of_bucket = location.bucket
        self._address = options.gcs_endpoint or _GOOGLE
        with self._explained():
            self._client = _client(options, self._address)
        self._bucket = self._client.bucket(location.bucket)
        self._calls: dict[str, Any] = {
            "timeout": (min(5.0, options.timeout_seconds), options.timeout_seconds),
            "retry": _retry(options.retry_seconds),
        }

    def list(self, prefix: str) -> list[Object]:
        """Everything whose key begins with a prefix."""
        objects, tokens = [], set()
        with self._explained():
            found = self._client.list_blobs(self._bucket, prefix=prefix, **self._calls)
            for page in found.pages:
                objects += [
                    Object(
                        name=blob.name.removeprefix(prefix),
                        size=blob.size,
                        checksum=f"crc32c:{blob.crc32c}",
                        modified=blob.updated,
                    )
                    for blob in page
                ]
                if found.next_page_token in tokens:
                    raise answers.refusal(self._address, "the same page again and again")
                tokens.add(found.next_page_token)
        return objects

    def read(self, key: str) -> bytes:
        """The content of an object, its checksum verified."""
        with self._explained(key):
            content: bytes = self._bucket.blob(key).download_as_bytes(
                checksum="crc32c", **self._calls
            )
            return content

    def write(self, key: str, data: bytes) -> None:
        """Makes an object of some bytes."""
        with self._explained(key):
            self._bucket.blob(key).upload_from_string(
                data,
                content_type="application/octet-stream",
                checksum="crc32c",
                **self._calls,
            )

    def create(self, key: str, data: bytes) -> bool:
        """Makes an object of some bytes unless there is one."""
        with self._explained(key):
            try:
                self._bucket.blob(key).upload_from_string(
                    data,
                    content_type="application/octet-stream",
                    checksum="crc32c",
                    if_generation_match=0,
                    **self._calls,
                )
            except google.api_core.exceptions.PreconditionFailed:
                return False
        return True

    def fetch(self, key: str, file: Path, on_bytes: OnBytes) -> None:
        """Downloads an object."""
        with self._explained(key), file.open("wb") as stream:
            # `raw`: an object that is stored as gzip comes as it is, not unpacked.
            self._bucket.blob(key).download_to_file(
                stream, raw_download=True, checksum=None, **self._calls
            )
        on_bytes(file.stat().st_size)

    def put(self, file: Path, key: str, on_bytes: OnBytes) -> None:
        """Uploads a file; the store compares its checksum, and a resumable upload's after it."""
        with self._explained(key):
            self._bucket.blob(key).upload_from_filename(
                str(file),
                content_type="application/octet-stream",
                checksum="crc32c",
                **self._calls,
            )
        on_bytes(file.stat().st_size)

    def delete(self, key: str) -> None:
        """Removes an object."""
        with self._explained(key), contextlib.suppress(google.api_core.exceptions.NotFound):
            self._bucket.blob(key).delete(**self._calls)

    def holds(self, found: Object, key: str, file: Path) -> bool | None:
        """Compares CRC32C."""
        return found.checksum == f"crc32c:{checksums.crc32c(file)}"

    def make_bucket(self, prefix: str, region: str) -> bool:
        """Makes the bucket unless it is there; nobody outside the project can be let in."""
        with self._explained():
            with contextlib.suppress(google.api_core.exceptions.NotFound):
                found = self._client.list_blobs(
                    self._bucket, prefix=prefix, max_results=1, **self._calls
                )
                next(found.pages, None)
                return False
            if not self._client.project:
                raise StorageRefusedError(
                    f"no project is named to make the bucket {self._name_of_bucket} in: set "
                    "GOOGLE_CLOUD_PROJECT, or make it yourself"
                )
            rights = self._bucket.iam_configuration
            rights.uniform_bucket_level_access_enabled = True
            rights.public_access_prevention = "enforced"
            self._client.create_bucket(self._bucket, location=region or None, **self._calls)
            return True

    def close(self, cancel: bool) -> None:
        """Closes the connections."""
        if cancel:
            # google.resumable_media retries with a policy of its own, which knows no cancel.
            for scheme in ("http://", "https://"):
                self._client._http.mount(scheme, _CancelledAdapter())
        self._client.close()

    @contextlib.contextmanager
    def _explained(self, key: str = "") -> Iterator[None]:
        """Says errors of the libraries in a sentence."""
        name = str(Location("gs", self._name_of_bucket, key))
        try:
            yield
        except google.api_core.exceptions.RetryError as error:
            raise self._sentence(error.cause or error, name, key) from error
        except (
            google.api_core.exceptions.GoogleAPIError,
            google.auth.exceptions.GoogleAuthError,
            google.resumable_media.DataCorruption,
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            ConnectionError,
        ) as error:
            raise self._sentence(error, name, key) from error
        except _UNREADABLE as error:
            raise answers.refusal(self._address, "data that cannot be read") from error

    def _sentence(self, error: Exception, name: str, key: str) -> StorageError:
        match error:
            case google.resumable_media.DataCorruption():
                return StorageError(
                    f"{name} was damaged between here and {self._address}: try again"
                )
            case google.auth.exceptions.TransportError() if _certificate(error):
                return self._untrusted()
            case google.auth.exceptions.GoogleAuthError():
                return StorageRefusedError(
                    f"no usable credentials were found for {name}: set "
                    "GOOGLE_APPLICATION_CREDENTIALS, or give this machine or pod an identity"
                )
            case google.api_core.exceptions.Unauthorized() | google.api_core.exceptions.Forbidden():
                return StorageRefusedError(
                    f"access to {name} is denied: give the credentials the right to list, read "
                    "and write there, or use others"
                )
            case google.api_core.exceptions.NotFound() if key and not self._bucket_is_missing():
                return StorageMissingError(
                    f"there is no object {name} at {self._address}: check it"
                )
            case google.api_core.exceptions.NotFound():
                return StorageRefusedError(
                    f"there is no bucket {self._name_of_bucket} at {self._address}: make it, or "
                    "check its name and the endpoint"
                )
            case google.api_core.exceptions.GoogleAPICallError() if _is_damage(error):
                return StorageError(f"{name} was damaged on its way to {self._address}: try again")
            case google.api_core.exceptions.GoogleAPICallError(code=code) if code and (
                code >= 500 or code == 429
            ):
                return StorageError(
                    f"{self._address} still fails for {name} after several tries ({code}): try "
                    "again later"
                )
            case google.api_core.exceptions.GoogleAPIError():
                reason = one_line(str(getattr(error, "message", error)))
                return StorageRefusedError(f"{self._address} refuses {name}: {reason}")
            case _ if _certificate(error):
                return self._untrusted()
        return StorageError(
            f"{self._address} cannot be reached for {name} or breaks off "
            f"({type(error).__name__}): check the endpoint and the network, then try again"
        )

    def _bucket_is_missing(self) -> bool:
        try:
            next(iter(self._client.list_blobs(self._bucket, max_results=1, **self._calls)), None)
        except google.api_core.exceptions.NotFound:
            return True
        except (google.api_core.exceptions.GoogleAPIError, *_UNREADABLE):
            return False
        return False

    def _untrusted(self) -> StorageError:
        return StorageRefusedError(
            f"the certificate of {self._address} is not trusted: give the PEM file of its CA with "
            "--ca-file or REQUESTS_CA_BUNDLE"
        )


def _client(options: Options, address: str) -> Any:
    """A client; without credentials for a server without TLS, which is an emulator."""
    emulator = options.gcs_endpoint.startswith("http://")
    client = storage.Client(
        project="none" if emulator else None,
        credentials=AnonymousCredentials() if emulator else None,
        client_options={"api_endpoint": options.gcs_endpoint} if options.gcs_endpoint else None,
    )
    if options.gcs_endpoint:  # a CA of S3's, as AWS_CA_BUNDLE has it, says nothing of Google
        client._http.verify = options.verify
    if on_this_machine(options.gcs_endpoint):
        client._http.trust_env = False  # requests would take the proxy of the shell
    patience = answers.TIMEOUTS * options.timeout_seconds
    client._http.hooks["response"].append(functools.partial(_check, address, patience))
    return client


def _check(
    address: str, seconds: float, response: requests.Response, stream: bool = False, **_: Any
) -> None:
    """Refuse what Google Cloud Storage does not answer; called before the content is read.

    Raises:
      StorageRefusedError: A redirect, a page or something else, or an answer that does not end.
      requests.ConnectionError: It breaks off.
    """
    status = response.status_code
    is_unfinished = status == 308 and not response.is_redirect  # of a resumable upload
    if 300 <= status < 400 and status != 304 and not is_unfinished:
        raise answers.redirect(address, response.headers)
    is_whole = status == 200 and "x-goog-hash" in response.headers
    is_rest = status == 206 and "Content-Range" in response.headers
    if stream and (is_whole or is_rest):
        return
    try:
        response.raw = answers.read(response.raw, address, seconds)
    except urllib3.exceptions.HTTPError as error:
        raise requests.ConnectionError(error) from error
    is_expected = status >= 300 or (not stream and _is_result(response))
    if status < 200 or not is_expected or (status < 500 and answers.is_page(response.content)):
        raise answers.refusal(address, f"{answers.describe(response.content)} ({status})")


def _is_result(response: requests.Response) -> bool:
    """Whether the API answers so where it did as asked: `kind` is in all of its documents."""
    if response.request.method == "DELETE" or "Location" in response.headers:
        return not response.content
    expected = "storage#bucket"
    if response.request.method == "GET":
        expected = "storage#objects"
    elif "/upload/" in response.url:
        expected = "storage#object"
    try:
        return bool(response.json()["kind"] == expected)
    except (LookupError, TypeError, ValueError):
        return False


class _CancelledAdapter(requests.adapters.BaseAdapter):
    """Fails every further request with an error that no policy retries."""

    def send(self, *arguments: Any, **options: Any) -> requests.Response:
        raise concurrent.futures.CancelledError

    def close(self) -> None:
        """Nothing to close."""


def _retry(seconds: float) -> Retry:
    """The library's choice of passing reasons, without certificates that nobody trusts."""

    def passing(error: Exception) -> bool:
        return bool(DEFAULT_RETRY._predicate(error)) and not _certificate(error)

    return DEFAULT_RETRY.with_predicate(passing).with_delay(0.5, 20.0).with_timeout(seconds)


def _certificate(error: Exception) -> bool:
    return "CERTIFICATE_VERIFY_FAILED" in str(error)


def _is_damage(error: google.api_core.exceptions.GoogleAPICallError) -> bool:
    """Whether a store refused content for its checksum: it has no code of its own for that."""
    return error.code in {400, 409} and any(
        word in str(error.message).lower() for word in ("checksum", "crc32c", "md5")
    )
