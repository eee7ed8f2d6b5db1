"""What callers do with a store, the same for every kind of it."""

import contextlib
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeVar

from kubeflow.storage import local, uris
from kubeflow.storage.objects import Object, OnProgress, Store
from kubeflow.storage.options import Options
from kubeflow.storage.uris import Location
from pipelines import files
from pipelines.errors import (
    OutputError,
    SettingsError,
    StorageError,
    StorageMissingError,
    StorageRefusedError,
)

_FILES_AT_A_TIME = 4
_SETTLING_SECONDS = 2.0
"""How long a write may be under way in a store without conditional writes."""
Thing = TypeVar("Thing")


def list_objects(uri: str, options: Options | None = None) -> list[Object]:
    """Everything below a URI, taken as a directory: `a/b` does not hold `a/bc`.

    Zero-byte markers of directories, as TensorFlow's gfile writes them, are left out.

    Raises:
      StorageError: The store cannot be reached or fails.
      StorageRefusedError: Wrong credentials, bucket or address.
    """
    with _opened(uri, options) as (store, location):
        return _files(store, location)


def read_bytes(uri: str, options: Options | None = None) -> bytes:
    """The content of one object.

    Raises:
      StorageError: As `list_objects`.
      StorageMissingError: There is no such object.
    """
    with _opened(uri, options) as (store, location):
        return store.read(location.key)


def write_bytes(uri: str, data: bytes, options: Options | None = None) -> None:
    """Makes one object, whole or not at all.

    Raises:
      StorageError: As `list_objects`.
      OutputError: A plain path cannot be written.
    """
    with _opened(uri, options) as (store, location):
        if not location.key:
            raise StorageRefusedError(f"{uri} names a bucket and no object: add a path")
        store.write(location.key, data)


def read_objects(
    uri: str, names: Iterable[str], options: Options | None = None
) -> dict[str, bytes]:
    """The contents of several objects below a URI by name; missing objects are left out.

    Raises:
      StorageError: As `list_objects`.
    """
    contents = {}
    with _opened(uri, options) as (store, location):

        def read(name: str) -> int:
            with contextlib.suppress(StorageMissingError):
                contents[name] = store.read(location.prefix + name)
            return 0

        _side_by_side(store, read, names)
    return contents


def create_bytes(uri: str, data: bytes, options: Options | None = None) -> bool:
    """Makes one object, whole or not at all, unless there is one.

    Where the store ignores the condition, two calls within `_SETTLING_SECONDS` are told apart by
    Fischer's algorithm: look, write, wait, and the last writer has it. A write that is delayed by
    longer than that between two others' look and wait is not noticed.

    Args:
      uri: The object.
      data: The content, which no other caller writes: it tells whose object it is.
      options: How to reach the store; by default as the environment says.

    Returns:
      Whether the object that is there is this call's.

    Raises:
      StorageError: As `list_objects`.
      OutputError: A plain path cannot be written.
    """
    with _opened(uri, options) as (store, location):
        if not location.key:
            raise StorageRefusedError(f"{uri} names a bucket and no object: add a path")

        def is_own() -> bool | None:
            try:
                return store.read(location.key) == data
            except StorageMissingError:
                return None

        if (found := is_own()) is not None:
            return found
        if not store.create(location.key, data):  # also where the first answer was lost
            return bool(is_own())
        if not store.create(location.key, data):  # the store honours the condition
            return True
        time.sleep(_SETTLING_SECONDS)
        return bool(is_own())


def download(
    uri: str,
    directory: Path,
    options: Options | None = None,
    on_progress: OnProgress | None = None,
) -> int:
    """Makes a directory hold everything below a URI; what it holds beside that stays.

    Each file is written beside its name, compared with the checksum that the store has of it, and
    renamed. A file that is there with the same content is not fetched again.

    Returns:
      How many bytes were fetched.

    Raises:
      StorageError: As `list_objects`; or a file arrived damaged.
      StorageMissingError: There is nothing below the URI.
      OutputError: The directory cannot be written, or its disk is full.
    """
    with _opened(uri, options, directory) as (store, location):
        found = _files(store, location)
        if not found:
            raise StorageMissingError(f"there is nothing at {uri}: check the address")
        for thing in found:
            if not uris.is_plain(thing.name):
                raise StorageRefusedError(
                    f"{uri} holds an object with the name {thing.name!r}, which is no path below a "
                    "directory: rename it"
                )

        def fetch(thing: Object) -> int:
            file = directory / thing.name
            key = location.prefix + thing.name
            if _is_same(store, thing, key, file):
                return 0
            with files.replacing(file) as partial:
                store.fetch(key, partial, _for_file(on_progress, thing.name))
                size = partial.stat().st_size
                if size != thing.size or store.holds(thing, key, partial) is False:
                    raise StorageError(
                        f"{uris.Location(location.scheme, location.bucket, key)} arrived with "
                        "another content than the store has: try again"
                    )
            return size

        return _side_by_side(store, fetch, found)


def upload(
    directory: Path,
    uri: str,
    options: Options | None = None,
    last: Sequence[str] = (),
    before_last: Callable[[], None] | None = None,
    present: Iterable[Object] | None = None,
    on_progress: OnProgress | None = None,
) -> int:
    """Makes a URI hold every file of a directory; what it holds beside that stays.

    Each object appears whole or not at all, and is compared with its file. An object that is there
    with the same content is not sent again.

    Args:
      directory: What to send.
      uri: Where to.
      options: How to reach the store; by default as the environment says.
      last: Base names of files that are sent when all others are there.
      before_last: Called when all others are there; an error that it raises ends the upload.
      present: The objects below the URI, if the caller has listed them; by default they are listed.
      on_progress: Told of the bytes as they go.

    Returns:
      How many bytes were sent.

    Raises:
      StorageError: As `list_objects`; or a file arrived damaged.
      StorageRefusedError: The directory is none, or holds nothing.
      OutputError: The URI is a plain path that cannot be written.
    """
    try:
        sources = list(local.list_files(directory)) if directory.is_dir() else []
    except OSError as error:
        raise OutputError(f"cannot send {error.filename}: {error.strerror}") from error
    if not sources:
        raise StorageRefusedError(f"{directory} holds no files: give the directory to send")
    with _opened(uri, options, directory) as (store, location):
        found = _files(store, location) if present is None else present
        remote_objects = {thing.name: thing for thing in found}

        def put(file: Path) -> int:
            name = file.relative_to(directory).as_posix()
            key = location.prefix + name
            if (thing := remote_objects.get(name)) and _is_same(store, thing, key, file):
                return 0
            store.put(file, key, _for_file(on_progress, name))
            return file.stat().st_size

        sent = _side_by_side(store, put, [f for f in sources if f.name not in last])
        if before_last:
            before_last()
        return sent + _side_by_side(store, put, [f for f in sources if f.name in last])


def delete(uri: str, options: Options | None = None, first: Sequence[str] = ()) -> int:
    """Removes everything below a URI, markers of directories too.

    Args:
      uri: A directory.
      options: How to reach the store; by default as the environment says.
      first: Base names of objects that are removed before all others.

    Returns:
      How many objects were removed, markers not counted.

    Raises:
      StorageError: As `list_objects`.
    """
    with _opened(uri, options) as (store, location):
        found = store.list(location.prefix)

        def remove(thing: Object) -> int:
            store.delete(location.prefix + thing.name)
            return int(_is_file(thing))

        return sum(
            _side_by_side(store, remove, [o for o in found if (_base(o) in first) is is_first])
            for is_first in (True, False)
        )


def make_bucket(uri: str, options: Options | None = None, region: str = "") -> bool:
    """Makes the bucket of a URI unless it is there.

    Returns:
      Whether it was made.

    Raises:
      StorageError: As `list_objects`; or the bucket's name is somebody else's.
    """
    with _opened(uri, options) as (store, location):
        return store.make_bucket(location.prefix, region)


@contextlib.contextmanager
def _opened(
    uri: str, options: Options | None, directory: Path | None = None
) -> Iterator[tuple[Store, Location]]:
    """The store of a URI, closed after the block; what is under way ends where it fails."""
    location = uris.parse(uri)
    store = _open(location, options or Options.from_environment())
    try:
        yield store, location
    except BaseException as error:
        store.close(cancel=True)
        if isinstance(error, OSError):
            place = error.filename2 or error.filename or directory or uri
            raise OutputError(
                f"{place} cannot be read or written: {error.strerror or error}"
            ) from error
        raise
    else:
        store.close(cancel=False)


def _open(location: Location, options: Options) -> Store:
    if not location.scheme:
        return local.LocalStore()
    if options.verify_tls and options.ca_file and not os.access(options.ca_file, os.R_OK):
        raise SettingsError(
            f"the CA's file {options.ca_file} cannot be read: correct --ca-file or AWS_CA_BUNDLE"
        )
    if location.scheme == "gs":
        with warnings.catch_warnings():
            # Google's libraries say at import that they will leave Python 3.10 behind.
            warnings.simplefilter("ignore", FutureWarning)
            from kubeflow.storage.gcs import GcsStore

        return GcsStore(location, options)
    from kubeflow.storage.s3 import S3Store

    return S3Store(location, options)


def _files(store: Store, location: Location) -> list[Object]:
    return sorted(filter(_is_file, store.list(location.prefix)), key=lambda thing: thing.name)


def _base(thing: Object) -> str:
    return thing.name.rpartition("/")[2]


def _is_file(thing: Object) -> bool:
    return bool(thing.name) and not thing.name.endswith("/")


def _is_same(store: Store, thing: Object, key: str, file: Path) -> bool:
    return (
        file.is_file()
        and file.stat().st_size == thing.size
        and store.holds(thing, key, file) is True
    )


def _for_file(on_progress: OnProgress | None, name: str) -> Callable[[int], None]:
    def on_bytes(count: int) -> None:
        if on_progress and count:
            on_progress(name, count)

    return on_bytes


def _side_by_side(store: Store, work: Callable[[Thing], int], things: Iterable[Thing]) -> int:
    """Does some of the work at a time and adds up; the first failure, or Ctrl-C, ends the rest."""
    pool = ThreadPoolExecutor(_FILES_AT_A_TIME, "transfer")
    try:
        futures = [pool.submit(work, thing) for thing in things]
        for future in wait(futures, return_when=FIRST_EXCEPTION).done:
            future.result()
        return sum(future.result() for future in futures)
    except BaseException:
        store.close(cancel=True)
        raise
    finally:
        pool.shutdown(cancel_futures=True)
