"""A report's content: what a run's comparison recorded, and what became of its models."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pipelines.judging.comparison import Comparison

Report = dict[str, Any]
"""Keys as in docs/report.md, and the comparison's `examples`."""


@dataclasses.dataclass(frozen=True)
class Pushed:
    """What became of a branch's model.

    Attributes:
      state: `yes`; `earlier`, where the cache answered for the Pusher, so that an earlier run
        pushed this model; `removed` since; `refused` by a gate; `no`, where none of these is known.
      uri: Where it is; None where it is nowhere, or not known.
    """

    state: Literal["yes", "earlier", "removed", "refused", "no"]
    uri: str | None = None


def assemble(
    comparison: Comparison,
    pushed: Mapping[str, Pushed] | None = None,
    seconds: Mapping[str, float] | None = None,
    cached: Sequence[str] = (),
) -> Report:
    """Joins what a run's comparison recorded and what became of its models.

    Args:
      comparison: The run's own.
      pushed: What became of each branch's model, where that is known.
      seconds: Each node's time.
      cached: The nodes that the cache answered for.
    """
    report = comparison.model_dump(mode="json")
    outcomes = pushed or {}
    for name, branch in report["branches"].items():
        branch["blessed"] = not branch["refusals"]
        outcome = outcomes.get(name, Pushed("no")) if branch["blessed"] else Pushed("refused")
        branch["pushed"], branch["pushed_uri"] = outcome.state, outcome.uri
    return {
        **report,
        "seconds": {node_id: round(value, 3) for node_id, value in (seconds or {}).items()},
        "cached": list(cached),
    }
