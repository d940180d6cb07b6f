"""What the tests of the command line share."""

from pathlib import Path

import pytest

from tests.support.exports import Models


@pytest.fixture(scope="session")
def model(fashion_models: Models) -> Path:
    """The built-in model in int8."""
    return fashion_models.int8_model


@pytest.fixture(scope="session")
def bags(fashion_images: Path) -> list[Path]:
    """Its test images of one class."""
    return sorted((fashion_images / "Bag").iterdir())
