"""How much memory a piece of work takes, where the system tells (Linux)."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Peak:
    """The growth of this process since it was made, at its largest.

    What earlier work has freed is given back to the system first: memory that the process held on to would be used
    again, and the same work would seem to take less the more was done before it.

    >>> grown = Peak().megabytes()
    >>> grown is None or grown >= 0
    True
    """

    def __init__(self) -> None:
        self._before: float | None = None
        gc.collect()
        try:
            ctypes.CDLL(None).malloc_trim(0)  # of the GNU C library
            _CLEAR.write_text("5")  # the high-water mark begins anew
            self._before = _read("VmRSS")
        except (OSError, AttributeError):
            return

    def megabytes(self) -> float | None:
        """MB (10^6 bytes); None where the system does not tell."""
        peak = None if self._before is None else _read("VmHWM")
        return None if peak is None or self._before is None else max(0, peak - self._before) / 1000


def _read(name: str) -> float | None:
    """A row of the process's status, in thousands of bytes."""
    rows = (line.split() for line in _STATUS.read_text().splitlines())
    return next((int(row[1]) * 1.024 for row in rows if row[0] == f"{name}:"), None)
