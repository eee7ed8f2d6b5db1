"""The report as one self-contained page: no script, no other file, legible on a phone."""

import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipelines.report import table
from pipelines.report.comparison import IMAGES
from pipelines.report.numbers import format_number
from pipelines.settings import BASELINE


def render(report: dict[str, Any], with_places: bool = True) -> str:
    """HTML of a report as `pipelines.report.build.assemble` makes it.

    Args:
      report: The report.
      with_places: Whether to say where evaluations and pushed models are. A task on KFP knows the
        paths in its own pod alone.
    """
    environment = Environment(
        loader=PackageLoader("pipelines.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(date=_date, delta=table.delta, number=format_number, size=table.size)
    return environment.get_template("report.html.j2").render(
        report=report, baseline=BASELINE, max_images=IMAGES, with_places=with_places
    )


def _date(moment: str) -> str:
    """`2026-11-27 03:10 UTC` of an ISO 8601 time."""
    return f"{datetime.datetime.fromisoformat(moment):%Y-%m-%d %H:%M} UTC"
