"""What a source's folder holds beside examples: told by name, and counted for the user."""

import dataclasses
from collections import Counter
from pathlib import PurePosixPath

_FOLDERS = {
    *("__macosx", "__pycache__", "@eadir", "lost+found", "$recycle.bin"),
    *("system volume information", "_temporary"),
}
_FILES = {
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
    *("_success", "md5sums", "sha1sums", "sha256sums", "sha512sums"),
    *("readme", "license", "changelog", "makefile"),
}
_SUFFIXES = {
    *(".md5", ".sha1", ".sha256", ".sha512", ".crc", ".crc32", ".sum"),
    *(".txt", ".md", ".rst", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml"),
    *(".html", ".pdf", ".log", ".py", ".ipynb", ".sh", ".bak", ".tmp"),
}
"""Checksums, and documents. All other files are told by their content, tables by their suffix."""

_SHOWN = 5


def is_no_example(name: str, is_folder: bool) -> bool:
    """Whether a file or folder holds no examples, by its name alone.

    Systems and editors leave hidden files, Macs `._NAME` beside each NAME, tools checksums.
    """
    lower = name.lower()
    if lower.startswith(".") or lower.endswith("~"):
        return True
    if is_folder:
        return lower in _FOLDERS
    return lower in _FILES or PurePosixPath(lower).suffix in _SUFFIXES


@dataclasses.dataclass
class PassedOver:
    """Counts what is not read.

    Attributes:
      files: How many of each kind.
      folders: Their names, whose content was not looked at or does not count.
    """

    files: Counter[str] = dataclasses.field(default_factory=Counter)
    folders: list[str] = dataclasses.field(default_factory=list)

    def add_file(self, name: str) -> None:
        """Count a file by its path or name."""
        self.files[_kind(PurePosixPath(name).name)] += 1

    def add_folder(self, name: str) -> None:
        """Note a folder by its path or name."""
        self.folders.append(f"{name}/")

    def __str__(self) -> str:
        """Such as "3 files (2 *.heic, 1 .DS_Store) and the folder .git/"; empty for nothing."""
        count = self.files.total()
        parts = []
        if count:
            kinds = [f"{n:,} {kind}" for kind, n in self.files.most_common()]
            parts.append(f"{count:,} {'file' if count == 1 else 'files'} ({_shorten(kinds)})")
        if self.folders:
            noun = "folder" if len(self.folders) == 1 else "folders"
            parts.append(f"the {noun} {_shorten(sorted(self.folders))}")
        return " and ".join(parts)


def _kind(name: str) -> str:
    if name.startswith("._"):
        return "._*"
    if name.startswith(".") or name.lower() in _FILES:
        return name.strip()
    suffix = PurePosixPath(name).suffix
    return f"*{suffix.lower()}" if suffix else "without a suffix"


def _shorten(texts: list[str]) -> str:
    more = len(texts) - _SHOWN
    return ", ".join(texts[:_SHOWN]) + (f" and {more} more kinds" if more > 0 else "")
