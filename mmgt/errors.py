"""The one exception that is meant for the person at the keyboard."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one sentence that names the value, what is allowed and the next step. The command line prints it
    without a traceback; ComfyUI shows it on the node.
    """

    # A pack's modules are named by their path in ComfyUI, which prints this before the message.
    __module__ = "mmgt.errors"
