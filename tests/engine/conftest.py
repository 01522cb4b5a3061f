from __future__ import annotations

import pytest

from modeldebug import Run

from . import planted


@pytest.fixture(scope="session")
def planted_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run on the known problem, made once; look, but change nothing."""
    return planted.debug(tmp_path_factory.mktemp("planted") / "run")
