"""``mmgt generate`` in a process of its own that may be killed."""

import multiprocessing
import os
import signal
import sys


def generate(arguments, label=None, step=None, time="1700000000"):
    """Run it, killed by SIGKILL at a step of what a label of the progress names. Returns the exit status."""
    process = multiprocessing.get_context("spawn").Process(target=_child, args=(arguments, label, step, time))
    process.start()
    process.join()
    return process.exitcode


def _child(arguments, label, step, time):
    import torch

    from mmgt import cli
    from mmgt.commands import generate

    def progress(shown):
        def show(now, _total):
            if (shown, now) == (label, step):
                os.kill(os.getpid(), signal.SIGKILL)

        return show

    os.environ["SOURCE_DATE_EPOCH"] = time
    generate.show_progress = progress
    torch.set_num_threads(1)
    sys.exit(cli.main(["generate", *arguments]))
