"""The extension's package, made once for all tests in the real VS Code."""

from __future__ import annotations

from pathlib import Path

import pytest

from editors import toolchain


@pytest.fixture(scope="session")
def package() -> Path:
    return toolchain.package()
