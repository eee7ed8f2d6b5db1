"""What a process in a pod says at its end: the trace for the pod's log, then one sentence."""

import contextlib
import sys
import traceback
from collections.abc import Iterator

from pipelines.errors import TfxMobileError
from pipelines.messages import describe, mask_secrets


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """End the process with one sentence and an exit code where the block raises."""
    try:
        yield
    except TfxMobileError as error:
        print(f"tfx-mobile: {mask_secrets(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except Exception as error:
        print(tell(error, "unexpected "), file=sys.stderr)
        sys.exit(1)


def tell(error: BaseException, before: str) -> str:
    """An error's trace, and a sentence as the last line, both without secrets.

    Args:
      error: The error.
      before: Begins the sentence, before the error's type.
    """
    trace = mask_secrets("".join(traceback.format_exception(error)))
    return f"{trace}tfx-mobile: {before}{describe(error)}"
