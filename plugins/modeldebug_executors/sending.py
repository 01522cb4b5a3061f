"""What all tasks share, as bytes: made once, and sent to each worker once."""

from __future__ import annotations

from typing import Any

import cloudpickle

from modeldebug import InputError


def packed(work: Any, shared: Any) -> bytes:
    """The work and what its tasks share.

    Raises:
        InputError: it cannot be pickled.

    >>> len(packed(pow, 10)) > 0
    True
    """
    try:
        sent: bytes = cloudpickle.dumps((work, shared))
    except Exception as error:
        raise InputError(
            "what workers need cannot be sent to them",
            got=f"{type(error).__name__}: {error}",
            expected="models and settings that can be pickled",
            fix="--executor none, or --workers 1",
        ) from error
    return sent
