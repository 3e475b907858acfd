"""The small random SMGA that these tests sample."""

import pytest
from tiny_smga import tiny_smga


@pytest.fixture(scope="module")
def model():
    return tiny_smga()
