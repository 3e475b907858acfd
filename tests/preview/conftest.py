"""The drawn person at rest: picture, keypoints, scores."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_person import draw, drawn_pose


@pytest.fixture(scope="module")
def person() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    xy, score = drawn_pose()
    return draw(xy), xy, score
