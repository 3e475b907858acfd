import io

import numpy as np
import pytest
from PIL import Image
from portrait import astronaut

from mmgt.assets import ASTRONAUT_POSE
from mmgt.detect.example_portrait import ExamplePortrait
from mmgt.errors import InputError
from mmgt.pose_files import load_poses

ADVICE = "put a detector there"


def detect(picture):
    return ExamplePortrait(ADVICE).detect(picture)


def test_the_portrait_is_known_in_any_file_format_and_size():
    file = io.BytesIO()
    Image.fromarray(astronaut()).resize((300, 300)).save(file, "JPEG", quality=70)
    found = detect(np.asarray(Image.open(file)))
    expected = load_poses(ASTRONAUT_POSE).sized(300, 300).pixels.numpy()
    np.testing.assert_allclose(found.keypoints_px, expected, atol=1e-3)
    assert found.num_people == 1


@pytest.mark.parametrize(
    "picture",
    [astronaut()[:, ::-1], astronaut()[:400], np.full((512, 512, 3), 128, np.uint8), 255 - astronaut()],
    ids=["mirrored", "cropped", "grey", "negative"],
)
def test_any_other_picture_gets_the_advice(picture):
    with pytest.raises(InputError, match=ADVICE):
        detect(np.ascontiguousarray(picture))
