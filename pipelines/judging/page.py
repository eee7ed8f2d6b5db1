"""The report as one self-contained page: no script, no other file, legible on a phone."""

import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined

from modules.task import Task
from pipelines.judging import heads
from pipelines.judging.assembly import Report
from pipelines.judging.numbers import format_number, format_size, format_value
from pipelines.settings import BASELINE


def render(report: Report, with_places: bool = True) -> str:
    """HTML of a report.

    Args:
      report: What `pipelines.judging.assembly.assemble` made.
      with_places: Whether to say where evaluations and pushed models are. A task on KFP knows the
        paths in its own pod alone.
    """
    environment = Environment(
        loader=PackageLoader("pipelines.judging", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        date=_date, number=format_number, size=format_size, value=format_value
    )
    task = Task.from_dict(report["task"])
    head = heads.of(task)
    return environment.get_template("report.html.j2").render(
        report=report,
        baseline=BASELINE,
        head_template=head.template,
        with_places=with_places,
        **head.page_values(report),
    )


def _date(moment: str) -> str:
    """`2026-11-27 03:10 UTC` of an ISO 8601 time."""
    return f"{datetime.datetime.fromisoformat(moment):%Y-%m-%d %H:%M} UTC"
