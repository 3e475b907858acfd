"""Sound for tests of files."""

import numpy as np


def tone(seconds, rate_hz, num_channels=1):
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.stack([0.5 * np.sin(2 * np.pi * 440 * (c + 1) * t) for c in range(num_channels)]).astype(np.float32)
