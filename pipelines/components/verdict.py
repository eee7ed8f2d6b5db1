"""The lite validator's verdict: a file in its `InfraBlessing`."""

from typing import ClassVar

from pipelines.documents import Document

FILENAME = "verdict.json"


class Verdict(Document):
    """What the lite validator found.

    Attributes:
      model_bytes: Size of the model's file.
      latency_us: Median time for one example, in microseconds.
      failures: Why it refused the model, a sentence each; empty if it did not.
    """

    FORMAT: ClassVar[int] = 1

    model_bytes: int
    latency_us: float
    failures: list[str]
