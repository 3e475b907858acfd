"""How a run of ``mmgt`` ends: signals, readers that go away, terminals of few letters, users without a home."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mmgt.cli import main
from mmgt.commands import demo
from mmgt.errors import InputError

ROOT = Path(__file__).parents[2]
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
    commands.add_parser("demo").set_defaults(run=lambda args: write_video(Path("v.mp4"), frames(), 25) and None)
demo.add_parser = add_parser
sys.exit(main(["demo"]))
"""

# As numpy and FFmpeg's bindings may: what was raised while they ran is cleared.
DROPS_THE_FIRST = """
        if t == 3:
            import os
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(1)
            except KeyboardInterrupt:
                print("lost", flush=True)
        time.sleep(0.01)"""


def start(folder, code, before=None, **more):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **more}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,
    )


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_run_in_one_line_and_leaves_nothing_behind(tmp_path, number):
    # whoever started the tests may have switched hang-ups off (nohup)
    run = start(tmp_path, SLOW.format(seconds=1), before=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
    while "frame 3" not in run.stdout.readline():
        assert run.poll() is None
    run.send_signal(number)
    if number != signal.SIGINT:
        run.send_signal(number)  # `timeout` sends it twice
    _, said = run.communicate(timeout=60)
    assert run.returncode == 128 + number
    assert "interrupted" in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_signal_ends_a_run_even_where_compiled_code_drops_its_exception(tmp_path):
    code = SLOW.format(seconds=1).replace("        time.sleep(0.01 if 1 else 0)", DROPS_THE_FIRST)
    run = start(tmp_path, code)
    output, said = run.communicate(timeout=60)
    assert "lost" in output
    assert run.returncode == 128 + signal.SIGTERM
    assert "interrupted" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_nohup_keeps_a_run_alive(tmp_path):
    """Its terminal is closed (SIGHUP), which nohup switched off; SIGTERM still ends it."""
    run = start(tmp_path, SLOW.format(seconds=1), before=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    while "frame 3" not in run.stdout.readline():
        assert run.poll() is None
    run.send_signal(signal.SIGHUP)
    for _ in range(20):
        assert "frame" in run.stdout.readline()
    run.send_signal(signal.SIGTERM)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 128 + signal.SIGTERM
    assert "interrupted" in said
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


def ends_with(error, monkeypatch, capsys):
    """The exit code and the one line on stderr of a run that raises."""

    def fail(_args):
        raise error

    monkeypatch.setattr(demo, "run", fail)
    code = main(["demo"])
    (line,) = capsys.readouterr().err.splitlines()
    return code, line


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (InputError("the seed is -1; take 0."), "mmgt: error: the seed is -1; take 0."),
        (OSError(28, "No space left on device", "poses.json"), "poses.json: No space left on device;"),
        (RecursionError("maximum"), "nested too deeply"),
        (MemoryError(), "there is not enough memory; take a smaller size"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "not enough memory ("),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "(CUDA out of memory. Tried"),
        (
            ModuleNotFoundError("No module named 'av'", name="av"),
            "a library is missing (No module named 'av'); run `pip",
        ),
        (ImportError("libGL.so.1: cannot open", name="cv2"), "cv2 is installed, but cannot be imported (libGL.so.1"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_was_foreseen_is_one_sentence_with_advice(monkeypatch, capsys, error, says):
    code, line = ends_with(error, monkeypatch, capsys)
    assert code == 2
    assert says in line


@pytest.mark.parametrize(
    "error",
    [
        ValueError("3 shapes\ndo not fit"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        KeyError("width"),
        AttributeError(),
        OSError("without a number"),
        ModuleNotFoundError("No module named 'mmgt.gone'", name="mmgt.gone"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_nobody_foresaw_is_a_line_and_a_traceback_in_a_file(monkeypatch, capsys, tmp_path, error):
    monkeypatch.delenv("MMGT_DEBUG", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code, line = ends_with(error, monkeypatch, capsys)
    assert code == 1
    assert type(error).__name__ in line
    (file,) = tmp_path.glob("mmgt-*.log")
    assert f"The traceback is in {file}." in line
    assert "in fail" in file.read_text()


def test_without_a_place_for_a_file_the_traceback_can_be_asked_for(monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("MMGT_DEBUG", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    code, line = ends_with(ValueError("no"), monkeypatch, capsys)
    assert code == 1
    assert "Set MMGT_DEBUG=1" in line
    monkeypatch.setenv("MMGT_DEBUG", "1")
    assert main(["demo"]) == 1
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "in fail" in said


def test_a_user_without_home_gets_what_others_get(tmp_path):
    code = "import sys; from mmgt.cli import main; sys.exit(main(['weights', 'list', '--models', 'm']))"
    environment = {"HOME": str(tmp_path / "nowhere")}
    run = start(tmp_path, code, **environment)
    said, complaint = run.communicate(timeout=60)
    assert run.returncode == 0, complaint
    assert "missing  smga" in said
