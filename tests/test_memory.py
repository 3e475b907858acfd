import pytest

from mmgt.errors import InputError
from mmgt.memory import check_batch


def test_what_fits_passes_and_what_does_not_names_both_sizes():
    gigabyte = 2**30
    check_batch("the preview", 186, 1024, 1024, 3, 4 * gigabyte, "choose a smaller long_side")
    with pytest.raises(InputError, match=r"186 of 3000x3000 px take 18\.7 GB .* 16\.0 GB are free; choose a smaller"):
        check_batch("the preview", 186, 3000, 3000, 3, 16 * gigabyte, "choose a smaller long_side")


def test_the_word_error_is_not_named_after_a_path():
    """ComfyUI prints the module of an exception, which inside it is the pack's path."""
    assert InputError.__module__ == "mmgt.errors"
