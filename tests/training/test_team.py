import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes are forked")
def test_two_processes_make_the_gradients_of_one_with_the_doubled_batch(tmp_path):
    script, root = Path(__file__).with_name("two_processes.py"), Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    apart = json.loads(done.stdout.splitlines()[-1])
    assert apart.pop("smga 1") > 0.01  # half of the batch
    assert apart.keys() == {"smga 2", "image 2", "video 2"}
    assert all(distance < 1e-4 for distance in apart.values()), apart
