"""What all contracts share."""

from __future__ import annotations

import logging
from abc import ABC
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

from ..component import ComponentConfig
from ..errors import ModelDebugError, PluginError, ran_out_of_memory

if TYPE_CHECKING:
    from ..types import DataSpec

log = logging.getLogger("modeldebug")

ConfigT = TypeVar("ConfigT", bound=ComponentConfig)


class Contract(ABC, Generic[ConfigT]):
    """A component, made by the core with its settings and the description of the data.

    Attributes:
        config: the validated settings.
        spec: shape of an image and the classes.
        name: `plugin:component`, for messages; set by the core.
    """

    name: str = "unnamed"

    def __init__(self, config: ConfigT, spec: DataSpec) -> None:
        self.config = config
        self.spec = spec


@contextmanager
def blamed(what: str, name: str, *, source: str | None = None) -> Iterator[None]:
    """Turn what a component raises into an error that names it; the core's own errors pass, and those of
    an allocator.

    Args:
        what: what it was asked to do, such as "running the searcher".
        name: `plugin:component`.
        source: its distribution and version.

    Raises:
        PluginError: in place of any other exception of the component.

    >>> with blamed("running the searcher", "mine:search"):
    ...     1 / 0
    Traceback (most recent call last):
    modeldebug.errors.PluginError: running the searcher mine:search raised ZeroDivisionError: division by zero...
    """
    try:
        yield
    except (ModelDebugError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # libraries in other languages raise errors that are no Exception
        if ran_out_of_memory(error):
            raise
        log.exception("%s %s failed", what, name)
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        raise PluginError(
            f"{what} {name} raised {type(error).__name__}: {error}",
            got=source,
            fix=f"install the module '{missing}', which it needs"
            if missing
            else "report it to the plugin's author; the traceback is in the log",
            plugin=name,
        ) from error
