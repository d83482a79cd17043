"""Parts that several servers' tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mcp_servers.diffusion_parts import write_tiny_pipeline


@pytest.fixture(scope="session")
def tiny_pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an untrained text-to-image pipeline for 32 x 32 pictures."""
    return write_tiny_pipeline(tmp_path_factory.mktemp("pipelines") / "tiny")
