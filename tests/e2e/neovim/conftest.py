"""What the tests with Neovim share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.headless import Headless


@pytest.fixture
def headless(tmp_path: Path) -> Headless:
    return Headless(tmp_path)
