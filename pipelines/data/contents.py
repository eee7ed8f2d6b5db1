"""Which files of a part of a source are read: those of one format, told by content."""

from collections.abc import Mapping, Sequence

from pipelines.data import formats, images
from pipelines.data.formats import Format
from pipelines.data.passed_over import PassedOver
from pipelines.errors import DataError
from pipelines.walk import Entry

_NEEDED = "TFRecords, MNIST's IDX files, or images in folders 0 to 9 are needed"

ByFormat = Mapping[Format, Sequence[Entry]]


def choose(
    files: Sequence[Entry], where: str, passed_over: PassedOver
) -> tuple[Format, Sequence[Entry]]:
    """The format of a part, and the files of this format that are read.

    Args:
      files: All files of the part.
      where: The part, for messages.
      passed_over: Counts the rest of them.

    Raises:
      DataError: There are none, or files of several formats; or one cannot be read.
    """
    by_format: dict[Format, list[Entry]] = {kind: [] for kind in Format}
    for file in files:
        if (kind := _recognize(file)) is None:
            passed_over.add_file(file.name)
        else:
            by_format[kind].append(file)
    candidates = _find_candidates(by_format)
    chosen = {id(file) for kept in candidates.values() for file in kept}
    others = [file for kept in by_format.values() for file in kept if id(file) not in chosen]
    if not candidates:
        raise DataError(f"{where} holds no data: {_describe(others, passed_over)}{_NEEDED}")
    if len(candidates) > 1:
        first = " and ".join(f"{k.value} such as {f[0].path}" for k, f in candidates.items())
        raise DataError(f"{where} holds {first}: give a directory with one of these formats")
    for file in others:
        passed_over.add_file(file.name)
    return next(iter(candidates.items()))


def _find_candidates(by_format: ByFormat) -> ByFormat:
    """The formats that the part may have, each with its files."""
    pictures = [file for file in by_format[Format.IMAGE] if images.label(file)]
    has_labels = any(images.label(file) in images.LABELS for file in pictures)
    if has_labels:
        # What lies in folders beside those of the digits is not of this source.
        candidates = {
            kind: [file for file in files if "/" not in file.name]
            for kind, files in by_format.items()
        }
    else:
        candidates = {kind: _take_highest(files) for kind, files in by_format.items()}
    is_of_images = has_labels or not (candidates[Format.RECORDS] or candidates[Format.IDX])
    candidates[Format.IMAGE] = pictures if is_of_images else []
    return {kind: files for kind, files in candidates.items() if files}


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
