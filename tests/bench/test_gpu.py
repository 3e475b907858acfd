"""The command on tiny networks: what it prints, not how fast anything is."""

import json

import pytest
import torch

from mmgt.bench import BENCHES
from mmgt.bench.gpu import SAID
from mmgt.cli import main
from mmgt.errors import InputError


def test_a_dry_run_prints_a_table_and_json(capsys):
    assert main(["bench", "gpu", "--device", "cpu", "--tiny", "--runs", "1"]) == 0
    printed = capsys.readouterr().out.splitlines()
    result = json.loads(printed[-1])
    assert SAID in printed
    assert any("EchoMimicV2-acc: 2.4 frames/s on an A100" in line for line in printed)
    rows = result["rows"]
    names = ("mode", "windows_at_once", "steps", "guidance", "decoder")
    by_kind = {tuple(row[name] for name in names): row["seconds"] for row in rows}
    assert len(by_kind) == len(rows) == 3 * 3 * 2 * 2  # on a CPU nothing is compiled
    assert by_kind["eager", 1, 30, True, "full"] > by_kind["eager", 1, 4, True, "full"] > 0
    for row in rows:
        assert row["frames_per_s"] == pytest.approx(result["num_frames"] / row["seconds"], rel=0.05)
    assert sum(line.startswith("|") for line in printed) == len(rows) + 2


def test_without_cuda_it_is_one_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="this machine has none; `--device cpu --tiny` tries it out"):
        BENCHES["gpu"]()
    with pytest.raises(InputError, match="add --tiny"):
        BENCHES["gpu"](device="cpu")
