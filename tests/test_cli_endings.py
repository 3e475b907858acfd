"""How a run of ``mmgt`` ends: signals, readers that go away, terminals of few letters, users without a home."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SLOW = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may have switched Ctrl-C off
from pathlib import Path
import mmgt.commands.demo as demo
from mmgt.cli import main
from mmgt.media import write_video
import numpy as np

def frames():
    for t in range(10_000):
        print("frame", t, flush=True)
        yield np.zeros((32, 32, 3), np.uint8)
        time.sleep(0.01 if {seconds} else 0)
        if not {seconds} and t == 300:
            return

demo.run = None
def add_parser(commands):
    commands.add_parser("demo").set_defaults(run=lambda args: write_video(Path("v.mp4"), frames(), 25))
demo.add_parser = add_parser
sys.exit(main(["demo"]))
"""


def start(folder, code, **more):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **more}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_run_in_one_line_and_leaves_nothing_behind(tmp_path, number):
    run = start(tmp_path, SLOW.format(seconds=1))
    while "frame 3" not in run.stdout.readline():
        assert run.poll() is None
    run.send_signal(number)
    _, said = run.communicate(timeout=20)
    assert run.returncode == 128 + number
    assert "interrupted" in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away_does_not_lose_the_run(tmp_path):
    run = start(tmp_path, SLOW.format(seconds=0))
    run.stdout.readline()
    run.stdout.close()
    said = run.stderr.read()
    run.wait(timeout=30)
    assert "Traceback" not in said
    assert "BrokenPipe" not in said
    assert run.returncode == 0
    assert (tmp_path / "v.mp4").stat().st_size > 0


def test_a_terminal_of_few_letters_gets_a_question_mark(tmp_path):
    words = ["preview", "--image", "фото.png", "--audio", "a", "--out", "x.mp4"]
    code = f"import sys; from mmgt.cli import main; sys.exit(main({words!a}))"
    run = start(tmp_path, code, PYTHONIOENCODING="cp1252")
    _, said = run.communicate(timeout=60)
    assert run.returncode == 2
    assert "????.png" in said
    assert "Traceback" not in said


def test_failures_of_the_file_system_are_one_sentence(tmp_path, monkeypatch, capsys):
    from mmgt import cli
    from mmgt.commands import demo

    def full(_args):
        raise OSError(28, "No space left on device", "poses.json")

    monkeypatch.setattr(demo, "run", full)
    assert cli.main(["demo"]) == 2
    assert "poses.json: No space left on device;" in capsys.readouterr().err


def test_a_user_without_home_gets_what_others_get(tmp_path):
    code = "import sys; from mmgt.cli import main; sys.exit(main(['weights', 'list', '--models', 'm']))"
    environment = {"HOME": str(tmp_path / "nowhere")}
    run = start(tmp_path, code, **environment)
    said, complaint = run.communicate(timeout=60)
    assert run.returncode == 0, complaint
    assert "missing  smga" in said
