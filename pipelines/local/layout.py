"""Where a local run keeps its things."""

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Layout:
    """The output directory of `tfx-mobile run`."""

    root: Path

    @property
    def outputs(self) -> tuple[Path, ...]:
        """What a run writes: all of the root, which may itself be the folder of the examples."""
        return (self.root, *self.directories, *self.files)

    @property
    def directories(self) -> tuple[Path, ...]:
        """The directories in the root."""
        return (self.data, self.pipeline, self.serving)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files in the root."""
        return (self.metadata, self.report_json, self.report_html, self.log, self.lock)

    @property
    def data(self) -> Path:
        """Datasets, and the pointer to the current one."""
        return self.root / "data"

    @property
    def pipeline(self) -> Path:
        """The pipeline root: every component's artifacts."""
        return self.root / "pipeline"

    @property
    def metadata(self) -> Path:
        """ML Metadata in SQLite."""
        return self.root / "metadata.db"

    @property
    def serving(self) -> Path:
        """Pushed models, `<branch>/<version>/`."""
        return self.root / "serving"

    @property
    def report_json(self) -> Path:
        """The report for programs."""
        return self.root / "report.json"

    @property
    def report_html(self) -> Path:
        """The report for people."""
        return self.root / "report.html"

    @property
    def log(self) -> Path:
        """Everything the libraries said."""
        return self.root / "run.log"

    @property
    def lock(self) -> Path:
        """Held while a run uses the directory."""
        return self.root / ".lock"
