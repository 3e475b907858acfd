"""Speech: a recording, and what the networks read of it (``encode``: features per video frame; ``encoders``)."""
