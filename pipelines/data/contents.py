"""Which files of a part of a source are read: those of one format, told by content."""

from collections.abc import Mapping, Sequence

from pipelines.data import classes, formats
from pipelines.data.formats import Format
from pipelines.data.passed_over import PassedOver
from pipelines.errors import DataError
from pipelines.walk import Entry

_NEEDED = {
    None: "images in a folder for each class, CSV or Parquet files, TFRecords or MNIST's IDX files",
    Format.IMAGE: "images in a folder for each class",
    Format.RECORDS: "TFRecords",
    Format.IDX: "MNIST's IDX files",
    Format.TABLE: "CSV or Parquet files",
}
"""What a source may hold, by the format that is wanted."""

ByFormat = Mapping[Format, Sequence[Entry]]


def choose(
    files: Sequence[Entry], where: str, passed_over: PassedOver, wanted: Format | None = None
) -> tuple[Format, Sequence[Entry]]:
    """The format of a part, and the files of this format that are read.

    Args:
      files: All files of the part.
      where: The part, for messages.
      passed_over: Counts the rest of them.
      wanted: The one format to read; None for the one that is there.

    Raises:
      DataError: There are none, or files of several formats; or one cannot be read.
    """
    by_format: dict[Format, list[Entry]] = {kind: [] for kind in Format}
    for file in files:
        kind = _recognize(file)
        if kind is None or wanted not in (None, kind):
            passed_over.add_file(file.name)
        else:
            by_format[kind].append(file)
    candidates = _find_candidates(by_format)
    chosen = {id(file) for kept in candidates.values() for file in kept}
    others = [file for kept in by_format.values() for file in kept if id(file) not in chosen]
    if not candidates:
        raise DataError(
            f"{where} holds no data: {_describe(others, passed_over)}{_NEEDED[wanted]} are needed"
        )
    if len(candidates) > 1:
        first = " and ".join(f"{k.value} such as {f[0].path}" for k, f in candidates.items())
        raise DataError(f"{where} holds {first}: give a directory with one of these formats")
    for file in others:
        passed_over.add_file(file.name)
    return next(iter(candidates.items()))


def _find_candidates(by_format: ByFormat) -> ByFormat:
    """The formats that the part may have, each with its files."""
    pictures = [file for file in by_format[Format.IMAGE] if classes.label(file)]
    folders = {classes.label(file) for file in pictures}
    if len(folders) > 1 or not folders.isdisjoint(classes.OF_MNIST):
        # What else lies in folders, beside those of the classes, is not of this source.
        candidates = {
            kind: [file for file in files if "/" not in file.name]
            for kind, files in by_format.items()
        }
        candidates[Format.IMAGE] = pictures
    else:
        candidates = {kind: _take_highest(files) for kind, files in by_format.items()}
        candidates[Format.IMAGE] = []
        if not any(candidates.values()):
            candidates[Format.IMAGE] = pictures
    found = {kind: files for kind, files in candidates.items() if files}
    if len(found) > 1:
        found.pop(Format.TABLE, None)  # such as annotations
    return found


def _take_highest(files: Sequence[Entry]) -> list[Entry]:
    """The files with the fewest folders above them."""
    depth = min((file.name.count("/") for file in files), default=0)
    return [file for file in files if file.name.count("/") == depth]


def _describe(unused: Sequence[Entry], passed_over: PassedOver) -> str:
    found = [f"{len(unused)} images in no folder"] if unused else []
    found += [str(passed_over)] if str(passed_over) else []
    return f"it holds {' and '.join(found)}; " if found else "it is empty; "


def _recognize(file: Entry) -> Format | None:
    try:
        return formats.recognize(file.path)
    except OSError as error:
        raise DataError(f"cannot read {file.path}: {error.strerror}") from error
