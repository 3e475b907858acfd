import pytest

from mmgt.errors import InputError
from mmgt.media import read_picture, read_recording


@pytest.mark.parametrize("read", [read_picture, read_recording])
@pytest.mark.parametrize(("content", "says"), [(None, "there is no"), (b"", "empty"), (b"just text", "read")])
def test_an_unreadable_file_is_one_sentence(tmp_path, read, content, says):
    path = tmp_path / "file.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=says) as error:
        read(path)
    assert "\n" not in str(error.value)
