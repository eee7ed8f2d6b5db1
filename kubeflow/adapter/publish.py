"""A push of a model to an object store, so that a model server never sees half of it.

DESTINATION/VERSION/...       the model; its main file comes last
DESTINATION/.pushes/VERSION   the record of the push, which claims the version

A store has no rename, so that a version is under way for as long as its upload. Its record is
written again and again meanwhile: one that was not for an hour belongs to a push that ended, and
the next push marks it as abandoned and removes the objects. Before the main file goes up, a push
looks whether its record is still its own.
"""

import contextlib
import dataclasses
import datetime
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from kubeflow import storage
from pipelines.errors import StorageError, StorageMissingError
from pipelines.leftovers import ABANDONED
from pipelines.pushing.records import (
    MAIN_FILES,
    RECORDS,
    Model,
    Record,
    next_version,
    parse_all,
    to_version,
)

_RENEWAL_SECONDS = ABANDONED.total_seconds() / 6
_FRESH = ABANDONED / 2
"""A record this old is no longer built upon, as another push may soon find it abandoned."""

_REMEMBERED = datetime.timedelta(days=30)
"""A retry later than this may push a version again: older records are not read."""

_FORMER_MARKERS = ".pushing"
"""Markers of release 0.1: `.pushing/VERSION/by` while a version was under way."""


def publish(directory: Path, destination: str, pusher: str) -> str:
    """Upload a model as a new version, unless it is there.

    Safe to interrupt at any step: a retry, which has the same `pusher`, completes or finds the
    version of the attempt before it. A model that is already the newest version is not pushed
    again.

    Args:
      directory: The model.
      destination: The URI below which all versions are.
      pusher: Names this task in every attempt.

    Returns:
      The URI of the version, whose last step is its number.

    Raises:
      StorageError: The store cannot be reached or refuses, or another push took the version over.
    """
    root = destination.rstrip("/")
    model = Model.read(directory)
    listing = _Listing.read(root)
    _remove_abandoned(root, listing)
    version = _find(root, listing, model, pusher)
    if version is not None:
        return f"{root}/{version}"
    claim = _claim(root, listing, Record.begin(pusher, model))
    with claim.kept_alive():
        storage.upload(
            directory,
            claim.uri,
            last=MAIN_FILES,
            before_last=claim.check,
            present=listing.objects.get(claim.version, []),
        )
    claim.finish()
    return claim.uri


@dataclasses.dataclass(frozen=True)
class _Listing:
    """What was at a destination when the push began.

    Attributes:
      objects: The objects of each version, named relative to it.
      renewed: When each version's record was last written.
      records: The records that were read: see `_choose_records`.
      former: When each version's marker of the release before was written.
      now: The time.
    """

    objects: Mapping[int, list[storage.Object]]
    renewed: Mapping[int, datetime.datetime]
    records: Mapping[int, Record]
    former: Mapping[int, datetime.datetime]
    now: datetime.datetime

    @classmethod
    def read(cls, root: str) -> "_Listing":
        """List everything once, and read the records that matter."""
        objects: dict[int, list[storage.Object]] = {}
        renewed: dict[int, datetime.datetime] = {}
        former: dict[int, datetime.datetime] = {}
        for entry in storage.list_objects(root):
            first, _, rest = entry.name.partition("/")
            if first == RECORDS and (version := to_version(rest)) is not None:
                renewed[version] = entry.modified
            elif (
                first == _FORMER_MARKERS
                and (version := to_version(rest.partition("/")[0])) is not None
            ):
                former[version] = entry.modified
            elif rest and (version := to_version(first)) is not None:
                objects.setdefault(version, []).append(dataclasses.replace(entry, name=rest))
        listing = cls(objects, renewed, {}, former, _now())
        names = {version: str(version) for version in listing._choose_records()}
        contents = storage.read_objects(f"{root}/{RECORDS}", names.values()) if names else {}
        # A record that vanished between the two is left out: its push ended.
        records = parse_all({version: contents[n] for version, n in names.items() if n in contents})
        return dataclasses.replace(listing, records=records)

    def newest(self) -> int | None:
        """The highest version that a model server would load."""
        return max(filter(self.is_shown, self.objects), default=None)

    def taken(self) -> Iterable[int]:
        """Every version that something has or had."""
        return {*self.objects, *self.renewed, *self.former}

    def age(self, version: int) -> datetime.timedelta:
        """How long ago a version's record was written."""
        return self.now - self.renewed[version]

    def holds(self, version: int, model: Model) -> bool:
        """Whether all files are there by name and size; the record tells the content."""
        sizes = {entry.name: entry.size for entry in self.objects.get(version, [])}
        return sizes == model.sizes

    def is_shown(self, version: int) -> bool:
        """Whether a version has its main file."""
        return any(entry.name in MAIN_FILES for entry in self.objects.get(version, []))

    def _choose_records(self) -> Iterator[int]:
        """Those that may be of a retry, of a push that ended halfway, or of the newest version."""
        newest = self.newest()
        for version in self.renewed:
            is_half = version in self.objects and not self.is_shown(version)
            if version == newest or is_half or self.age(version) < _REMEMBERED:
                yield version


class _Claim:
    """A version that this attempt may write."""

    def __init__(self, root: str, version: int, record: Record) -> None:
        self._root = root
        self.version = version
        self.uri = f"{root}/{version}"
        self._record_uri = _record_uri(root, version)
        self._record = record
        self._renewed_at = time.time()

    @contextlib.contextmanager
    def kept_alive(self) -> Iterator[None]:
        """Write the record again from time to time, as long as the block takes."""
        ended = threading.Event()
        thread = threading.Thread(target=self._renew_until, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def check(self) -> None:
        """Look whether the version is still this attempt's.

        Raises:
          StorageError: It is not.
        """
        found = self._read()
        if found == self._record:
            if time.time() - self._renewed_at < _FRESH.total_seconds():
                return
            # The machine slept, for example. This attempt's renewal may have undone a removal.
            found = _abandon(self._root, self.version, self._record)
        if found and found.state == "abandoned":
            storage.delete(self.uri, first=MAIN_FILES)  # what was uploaded since the removal
        raise StorageError(
            f"the push of {self.uri} lost its claim {self._record_uri} to another push: run the "
            "task again"
        )

    def finish(self) -> None:
        """Record that the version is complete."""
        storage.write_bytes(self._record_uri, _encode(self._record.with_state("pushed")))

    def _renew_until(self, ended: threading.Event) -> None:
        while not ended.wait(_RENEWAL_SECONDS):
            with contextlib.suppress(StorageError):  # the next time, before the hour is over
                now = time.time()
                if self._read() != self._record:
                    return
                storage.write_bytes(self._record_uri, _encode(self._record))
                self._renewed_at = now

    def _read(self) -> Record | None:
        try:
            content = storage.read_bytes(self._record_uri)
        except StorageMissingError:
            return None
        return parse_all({self.version: content}).get(self.version)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def _remove_abandoned(root: str, listing: _Listing) -> None:
    """Remove what ended pushes left; a version with its main file is whole and stays."""
    for version, record in listing.records.items():
        is_pushing = record.state == "pushing" and not listing.is_shown(version)
        if is_pushing and listing.age(version) > ABANDONED:
            _abandon(root, version, record)
            storage.delete(f"{root}/{version}", first=MAIN_FILES)
    for version, written in listing.former.items():
        if listing.now - written > ABANDONED:
            if not listing.is_shown(version):
                storage.delete(f"{root}/{version}", first=MAIN_FILES)
            storage.delete(f"{root}/{_FORMER_MARKERS}/{version}")


def _abandon(root: str, version: int, record: Record) -> Record:
    """Tell a push that may still run that it lost its version."""
    abandoned = record.with_state("abandoned")
    storage.write_bytes(_record_uri(root, version), _encode(abandoned))
    return abandoned


def _find(root: str, listing: _Listing, model: Model, pusher: str) -> int | None:
    """The complete version of an earlier attempt, else the newest one if it is the same model."""
    for version, record in sorted(listing.records.items()):
        if record.is_of(pusher, model.digest) and listing.holds(version, model):
            if record.state == "pushing":
                _Claim(root, version, record).finish()
            return version
    newest = listing.newest()
    newest_record = listing.records.get(newest) if newest is not None else None
    if newest is None or newest_record is None or newest_record.digest != model.digest:
        return None
    return newest if listing.holds(newest, model) else None


def _claim(root: str, listing: _Listing, record: Record) -> _Claim:
    """The version that an earlier attempt at the same task began lately, else a new one."""
    for version, earlier in sorted(listing.records.items()):
        is_pending = earlier.state == "pushing" and listing.age(version) < _FRESH
        if is_pending and earlier.is_of(record.pusher, record.digest):
            storage.write_bytes(_record_uri(root, version), _encode(record))
            return _Claim(root, version, record)
    version = next_version(listing.taken(), time.time())
    while not storage.create_bytes(_record_uri(root, version), _encode(record)):
        version += 1
    return _Claim(root, version, record)


def _record_uri(root: str, version: int) -> str:
    return f"{root}/{RECORDS}/{version}"


def _encode(record: Record) -> bytes:
    return record.to_json().encode()
