"""Every node of pictures, masks and sound, given what means nothing: one sentence that blames the right input.

See ``wrong_values.py``, which runs in ComfyUI's own process.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest
from comfyui import ARGUMENTS, COMFYUI, PYTHON, REPOSITORY, need_comfyui
from safetensors.torch import save_file
from tiny import HEADS, tiny_state

pytestmark = pytest.mark.comfy

NO_SOUND = r"the AUDIO holds no sound \(waveform: .*connect Load Audio"
NOT_FINITE = r"pixels that are no numbers \(NaN or infinite\)"
NO_DETECTOR = "no pose detector: "  # it finds the example only
FINE = "no error"
SAID = {
    "nothing wrong": dict.fromkeys(
        ("detect", "film", "masks", "preview", "rhythm", "combine", "sample", "decode", "to file", "encode"), FINE
    ),
    "image": {
        "grey": dict.fromkeys(("masks", "preview", "sample", "pose pictures"), FINE)
        | dict.fromkeys(("detect", "film"), NO_DETECTOR),
        "RGBA": dict.fromkeys(("detect", "film", "masks", "preview", "sample", "pose pictures"), FINE),
        "two channels": dict.fromkeys(
            ("detect", "film", "masks", "preview", "sample", "pose pictures"),
            r"shape \[1, 512, 512, 2\].*1, 3 or 4 channels",
        ),
        "NaN": dict.fromkeys(("detect", "film", "masks", "preview", "sample", "pose pictures"), NOT_FINITE),
        "no picture": {
            **dict.fromkeys(("detect", "masks", "preview", "sample"), r"the IMAGE has the shape \[0, 512, 512, 3\]"),
            "film": "the video has no frames",
            "pose pictures": "the pose pictures hold 0 frames",
        },
        "None": {
            **dict.fromkeys(("detect", "preview", "sample"), r"the IMAGE has no pictures \(None\).*Connect Load Image"),
            "film": r"there are no frames \(None\); connect a VIDEO",
            "masks": FINE,  # not connected
            "pose pictures": "there is nothing to move by",
        },
        "seven": {
            **dict.fromkeys(("masks", "sample", "pose pictures"), FINE),
            **dict.fromkeys(("detect", "film"), NO_DETECTOR),
            "preview": "the picture is 7x7 px; the preview needs at least 16 px a side",
        },
    },
    "sound": {
        "None": dict.fromkeys(("encode", "rhythm"), NO_SOUND)
        | dict.fromkeys(("vocals", "combine", "preview", "decode", "to file"), FINE),
        **dict.fromkeys(
            ("no samples", "no waveform"),
            dict.fromkeys(("encode", "vocals", "rhythm", "combine", "preview", "decode", "to file"), NO_SOUND),
        ),
        "NaN": dict.fromkeys(
            ("encode", "vocals", "rhythm", "combine", "preview", "decode", "to file"), "the recording holds NaN"
        ),
    },
    "size": {
        **dict.fromkeys(("masks", "drawn"), "the size is 7x7 px; both sides must be at least 16 px, or 0"),
        "preview": "the picture is 7x7 px; .* or a larger long_side",
        "sample": "the video's height is 7 px; it must be 32 to 4096 px",
        "second pass": r"enlarge them by Upscale Latent to 64x64 px, on which a video of 64x64 px is made\.",
        "second pass in whole canvases": "or set width to 128 and height to 128",
        "speech of another wav2vec2": "wav2vec2 gives 12 layers of 768 per frame, but this video network reads 180",
    },
    "length": {
        "one frame of poses": "there is one frame of poses, but the speech has 8; connect a pose sequence",
        "one frame of poses, preview": r"there is one frame of poses, but 7\.4 s of sound; connect a pose sequence",
        "pictures of other poses": "the poses have 8 frames at 25 fps and the pose pictures 3",
        "three masks": "there are 3 face masks for 8 frames of poses",
        "three masks of pictures": "there are 3 lips masks for 8 frames of pose pictures",
        "no masks": "there are 0 face masks for 8 frames",
    },
    "shape": {
        "mask of another aspect": "the face mask is 77x33 px, the video 64x64 px: it would be squeezed",
        **dict.fromkeys(("even mask of another aspect", "mask of another size"), FINE),
        "mask without frames": r"the face mask has the shape \[64, 64\]",
        "NaN mask": "face mask 0 holds NaN",
        "person mask of another aspect": r"the person mask has shape \(33, 77\), the picture is 512 x 512 px",
        "person mask of another size": r"the person mask has shape \(64, 64\), the picture is 512 x 512 px",
        "image of another aspect": "the pose sequence was made for a picture of 512x512 px, but .* 512x300 px",
        "photo of another aspect": "the initial pose was made for a picture of 512x512 px, but the picture has 512x300",
    },
    "use": {
        "hands": "the hands mask would act nowhere",
        "hands heard": FINE,
        "denoise": r"denoise is 0\.5, but there is no latent to refine",
    },
}


def flat(table):
    """Kind, case and node together -> words."""
    return {
        f"{kind}: {case}, {node}": words
        for kind, cases in table.items()
        for case, nodes in cases.items()
        for node, words in (nodes if isinstance(nodes, dict) else {"": nodes}).items()
    }


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    need_comfyui()
    base = tmp_path_factory.mktemp("wrong")
    checkpoint = base / "net.safetensors"
    save_file(
        {key: tensor.contiguous() for key, tensor in tiny_state().items()}, checkpoint, {"config": json.dumps(HEADS)}
    )
    (base / "custom_nodes").mkdir()
    script = Path(__file__).with_name("wrong_values.py")
    command = [PYTHON, str(script), str(COMFYUI), str(REPOSITORY), str(checkpoint), *ARGUMENTS]
    command += ["--base-directory", str(base)]
    done = subprocess.run(command, cwd=COMFYUI, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", flat(SAID))
def test_what_is_wrong_is_said(said, case):
    wanted, words = flat(SAID)[case], flat(said)[case]
    if wanted == FINE:
        assert words == FINE
    else:
        assert re.search(f"^InputError: .*{wanted}", words), words


def test_every_case_is_looked_at(said):
    assert flat(said).keys() == flat(SAID).keys()
