"""The pack inside a real ComfyUI: schemas, bundled graphs, errors, cancel."""

import json
import os
import subprocess
import time
import urllib.request
from pathlib import Path

import av
import numpy as np
import pytest
from comfyui import COMFYUI, PYTHON, REPOSITORY, outputs_of
from graphs import GRAPHS, WIDGETS, inputs_of, our_nodes, prompt_of, video_of, with_loaders, without
from page import heard_while
from tiny_smga import save_tiny_smga, tiny_smga_state

from mmgt.assets import ASTRONAUT_POSE
from mmgt.media import read_picture, write_video
from mmgt.pose_files import load_poses
from mmgt.poses.lips import LIP_COLUMNS

pytestmark = pytest.mark.comfy

SNAPSHOT = Path(__file__).parent / "schema_snapshot.json"


def test_every_input_has_a_tooltip_every_node_a_help_page_and_a_graph(server):
    graphs = "".join(path.read_text() for path in GRAPHS)
    for name, info in our_nodes(server).items():
        for section in ("required", "optional"):
            for input_name, (_kind, *options) in info["input"].get(section, {}).items():
                assert options, f"{name}.{input_name}"
                assert options[0].get("tooltip"), f"{name}.{input_name}"
        with urllib.request.urlopen(f"{server.url}/extensions/comfyui-mmgt/docs/{name}.md") as page:
            text = page.read().decode()
        assert text.startswith(f"# {info['display_name']}")
        assert f'"{name}"' in graphs, f"{name} has no place in a bundled graph"


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
def test_a_bundled_graph_is_complete(server, path):
    """Core nodes and ours with their origin, all links in place, a value for every widget, a note, a thumbnail."""
    infos, graph = server.get("/object_info"), json.loads(path.read_text())
    nodes = {node["id"]: node for node in graph["nodes"]}
    notes = [node for node in nodes.values() if node["type"] == "MarkdownNote"]
    assert len(notes) == 1
    for node in nodes.values():
        if node in notes:
            continue
        pack = "mmgt" if node["type"].startswith("MMGT_") else "comfy-core"
        assert (node["properties"]["cnr_id"], node["type"] in infos) == (pack, True), node["type"]
        assert node["properties"]["ver"]
        (x, y), (width, height) = node["pos"], node["size"]
        boxes = [group["bounding"] for group in graph["groups"]]
        assert any(a <= x and b <= y and x + width <= a + w and y + height <= b + h for a, b, w, h in boxes), node[
            "type"
        ]
        for model in node["properties"].get("models", []):
            assert model["url"].startswith("https://huggingface.co/")
            assert model["name"] in notes[0]["widgets_values"][0]
    for link_id, source, output, target, slot, kind in graph["links"]:
        assert nodes[target]["inputs"][slot]["link"] == link_id
        assert link_id in nodes[source]["outputs"][output]["links"]
        assert kind == infos[nodes[source]["type"]]["output"][output]
    prompt_of(server, path.stem)  # has a value for every widget
    assert path.stem in server.get("/workflow_templates")["comfyui-mmgt"]
    thumbnail = path.with_suffix(".jpg").read_bytes()
    assert thumbnail[:2] == b"\xff\xd8"
    assert len(thumbnail) < 100_000


def test_released_inputs_are_append_only(server):
    """Saved graphs keep working: no input or output of the snapshot is renamed, reordered or removed.

    A new input goes to the end; then write the snapshot anew with MMGT_WRITE_SNAPSHOT=1.
    """
    now = {
        name: {"inputs": list(inputs_of(info).items()), "outputs": info["output"]}
        for name, info in our_nodes(server).items()
    }
    if os.environ.get("MMGT_WRITE_SNAPSHOT"):
        SNAPSHOT.write_text(json.dumps(now, indent=1) + "\n")
    for name, released in json.loads(SNAPSHOT.read_text()).items():
        assert name in now, f"{name} is gone"
        current = [list(pair) for pair in now[name]["inputs"]]
        assert current[: len(released["inputs"])] == released["inputs"], name
        assert now[name]["outputs"][: len(released["outputs"])] == released["outputs"], name


def test_samplers_begin_with_what_is_turned_most(server):
    def widgets(node):
        return [name for name, kind in inputs_of(our_nodes(server)[node]).items() if kind in WIDGETS]

    video = widgets("MMGT_MMHAAVideoSampler")
    assert video[:7] == ["seed", "steps", "cfg", "sampler_name", "scheduler", "preset", "denoise"]
    assert video[7:] == widgets("MMGT_MMHAAConditioning")
    for node in ("MMGT_SMGAAudio2PoseSampler", "MMGT_SMGAResample"):
        assert widgets(node)[:3] == ["seed", "steps", "guidance"]
        assert widgets(node)[-5:] == ["window_overlap", "eta", "solver", "spacing", "close_lips"]


def test_preview_from_speech(server):
    prompt = prompt_of(server, "preview_from_speech")
    outputs = server.run(prompt)
    by_type = {node["class_type"]: outputs[key] for key, node in prompt.items() if key in outputs}
    videos = [video_of(server, out) for key, out in outputs.items() if prompt[key]["class_type"] == "SaveVideo"]
    assert len(videos) == 2
    for path in videos:
        with av.open(str(path)) as container:
            frames = [frame.to_ndarray(format="rgb24").astype(float) for frame in container.decode(video=0)]
            assert len(frames) == 186
            assert frames[0].shape == (512, 512, 3)
            assert max(np.abs(frame - frames[0]).mean() for frame in frames) > 1
            assert len(container.streams.audio) == 1
            assert "prompt" in container.metadata  # dropped on the page, the file opens its graph
            context = container.streams.video[0].codec_context
            if path.name.startswith("mmgt_preview"):  # of our VIDEO; older cores leave that of Create Video untagged
                assert (context.colorspace, context.color_primaries) == (1, 1)  # BT.709
    poses = load_poses(Path(by_type["MMGT_SavePoses"]["text"][0]))
    assert poses.num_frames == 186


def test_preview_from_saved_poses(server):
    """What Save Poses wrote is read again by Load Poses and shown."""
    read = {"file": "still.json", "canvas_width": 0, "canvas_height": 0}
    still = {"class_type": "MMGT_LoadPoses", "inputs": read}
    (server.base / "input" / "still.json").write_bytes(ASTRONAUT_POSE.read_bytes())
    speech = {"class_type": "LoadAudio", "inputs": {"audio": "speech.wav"}}
    parts = dict.fromkeys(("body", "head", "hands", "face", "lips"), 1.0)
    rhythm = {"audio": ["speech", 0], "initial_pose": ["still", 0], "seed": 0, **parts}
    poses = {"class_type": "MMGT_RhythmAudio2Pose", "inputs": rhythm}
    save = {"class_type": "MMGT_SavePoses", "inputs": {"poses": ["poses", 0], "filename_prefix": "poses/again"}}
    outputs = server.run({"still": still, "speech": speech, "poses": poses, "save": save})
    saved = Path(outputs["save"]["text"][0])
    prompt = prompt_of(server, "preview_from_saved_poses")
    (loader,) = (node for node in prompt.values() if node["class_type"] == "MMGT_LoadPoses")
    loader["inputs"]["file"] = f"poses/{saved.name} [output]"
    (output,) = (out for key, out in server.run(prompt).items() if prompt[key]["class_type"] == "SaveVideo")
    with av.open(str(video_of(server, output))) as container:
        assert container.streams.video[0].frames == load_poses(saved).num_frames == 186


def test_poses_for_other_packs_with_a_tiny_smga(server):
    """The whole SMGA path with a tiny random network in the authors' key layout."""
    path = server.base / "models" / "mmgt" / "tiny_smga.safetensors"
    save_tiny_smga(path, tiny_smga_state())
    prompt = without(prompt_of(server, "poses_for_other_packs"), "MMGT_LoadAudioEncoder")  # as its note says
    (loader,) = (node for node in prompt.values() if node["class_type"] == "MMGT_LoadSMGAModel")
    loader["inputs"]["smga"] = path.name
    (sampler,) = (node for node in prompt.values() if node["class_type"] == "MMGT_SMGAAudio2PoseSampler")
    sampler["inputs"]["steps"] = 4
    first = server.run(prompt)
    (key,) = (key for key, node in prompt.items() if node["class_type"] == "MMGT_SavePoses")
    poses = load_poses(Path(first[key]["text"][0]))
    assert poses.num_frames == 186
    assert "frames" in json.loads(Path(first[key]["text"][0]).read_text())

    sampler["inputs"]["close_lips"] = False  # the recording begins in silence
    moved = (load_poses(Path(server.run(prompt)[key]["text"][0])).pixels - poses.pixels).abs().amax(dim=(0, 2)) > 0.01
    assert set(moved.nonzero().flatten().tolist()) == {point for column in LIP_COLUMNS for point in column}

    sampler["inputs"]["seed"] = 7
    other = load_poses(Path(server.run(prompt)[key]["text"][0]))
    assert (other.pixels - poses.pixels).abs().max() > 0.1


@pytest.mark.parametrize(("source", "num_poses"), [("file", 5), ("components", 8), ("images", 8)])
def test_poses_of_a_video(server, source, num_poses):
    """A VIDEO file of 10 frames at 50 fps, a VIDEO made in the graph and an IMAGE batch of 4 frames at 12.5 fps."""
    portrait, path = read_picture(server.base / "input" / "portrait.png"), server.base / "input" / "person.mp4"
    if not path.exists():
        write_video(path, [portrait] * 10, 50)
    images = {"class_type": "RepeatImageBatch", "inputs": {"image": ["photo", 0], "amount": 4}}
    nodes = {
        "file": {"class_type": "LoadVideo", "inputs": {"file": path.name}},
        "components": {"class_type": "CreateVideo", "inputs": {"images": ["images", 0], "fps": 12.5}},
        "images": images,
    }
    outputs = server.run(
        {
            "photo": {"class_type": "LoadImage", "inputs": {"image": "portrait.png"}},
            "images": images,
            source: nodes[source],
            "detector": {
                "class_type": "MMGT_LoadPoseDetector",
                "inputs": {"detector": "auto", "pose": "auto", "provider": "auto"},
            },
            "video": {
                "class_type": "MMGT_DWPosePoseVideo",
                "inputs": {
                    "detector": ["detector", 0],
                    "frames": [source, 0],
                    "fps": 12.5,
                    "person": "largest",
                    "person_index": 0,
                    "max_gap": 0.5,
                    "smoothing": 1.0,
                },
            },
            "poses": {
                "class_type": "MMGT_SavePoses",
                "inputs": {"poses": ["video", 0], "filename_prefix": f"filmed/{source}"},
            },
            "preview": {"class_type": "SaveImage", "inputs": {"images": ["video", 1], "filename_prefix": source}},
            "report": {"class_type": "PreviewAny", "inputs": {"source": ["video", 2]}},
        }
    )
    poses = load_poses(Path(outputs["poses"]["text"][0]))
    assert (poses.fps, poses.num_frames, poses.height_px, poses.width_px) == (25, num_poses, 512, 512)
    known = load_poses(ASTRONAUT_POSE)
    assert (poses.pixels - known.pixels).abs().max() < 0.01
    num_frames = 10 if source == "file" else 4
    words = outputs["report"]["text"][0]
    assert words.startswith(f"the person was found in {num_frames} of {num_frames} frames by ")
    assert len(outputs["preview"]["images"]) == num_poses


def test_a_missing_checkpoint_is_refused_before_anything_runs(server):
    there = list((server.base / "models" / "mmgt").glob("audio2pose_best_model.*"))  # of other tests
    for path in there:
        path.rename(path.with_name(f"{path.name}.aside"))
    prompt = without(prompt_of(server, "poses_for_other_packs"), "MMGT_LoadAudioEncoder")
    try:
        with pytest.raises(RuntimeError, match=r"there is no audio2pose_best_model.pt .* in .*models/mmgt; put"):
            server.queue(prompt)
    finally:
        for path in there:
            path.with_name(f"{path.name}.aside").rename(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1", "git-lfs pointer"),
        (b"<!doctype html>", "is a web page"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00{", "may be truncated"),
    ],
)
def test_a_wrong_checkpoint_is_one_sentence_and_the_server_goes_on(server, content, says):
    (server.base / "models" / "mmgt" / "wrong.safetensors").write_bytes(content)
    prompt = without(prompt_of(server, "poses_for_other_packs"), "MMGT_LoadAudioEncoder")
    (loader,) = (node for node in prompt.values() if node["class_type"] == "MMGT_LoadSMGAModel")
    loader["inputs"]["smga"] = "wrong.safetensors"
    with pytest.raises(RuntimeError, match=says):
        server.run(prompt)
    assert server.get("/system_stats")


def test_another_photo_without_a_detector_names_the_ways(server):
    from PIL import Image

    Image.fromarray(np.full((300, 200, 3), 128, np.uint8)).save(server.base / "input" / "grey.png")
    prompt = prompt_of(server, "preview_from_speech")
    prompt = with_loaders(prompt, image="grey.png")
    with pytest.raises(RuntimeError, match=r"yolox_l\.onnx") as error:
        server.run(prompt)
    assert "Load Poses" in str(error.value)


def test_a_cancelled_run_ends_without_a_result(server):
    """How soon is counted in ``test_cancel.py``; asked again and again, as a cancel before the first node is lost."""
    prompt = prompt_of(server, "preview_from_speech")
    (rhythm,) = (node for node in prompt.values() if node["class_type"] == "MMGT_RhythmAudio2Pose")
    rhythm["inputs"]["seed"] = 77  # nothing of it is cached
    prompt_id = server.queue(prompt)
    while prompt_id not in server.get(f"/history/{prompt_id}"):
        server.cancel()
        time.sleep(0.1)
    history = server.wait(prompt_id)
    assert history["status"]["status_str"] == "error"
    assert any(name == "execution_interrupted" for name, _ in history["status"]["messages"])
    assert not any(prompt[key]["class_type"] == "SaveVideo" for key in history["outputs"])


def test_import_is_quiet(server):
    assert "IMPORT FAILED" not in server.log


LIBRARIES = [
    "accelerate", "av", "c2pa", "cv2", "diffusers", "filelock", "fsspec", "huggingface_hub", "librosa", "matplotlib",
    "mediapipe", "onnxruntime", "ray", "requests", "scipy", "soundfile", "soxr", "tqdm", "transformers",
    "vector_quantize_pytorch",
]  # fmt: skip


def imported(*blocked):
    """What ``importing.py`` tells."""
    command = [PYTHON, str(Path(__file__).with_name("importing.py")), str(COMFYUI), str(REPOSITORY), *blocked]
    done = subprocess.run(command, cwd=COMFYUI, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_import_is_cheap(server):
    """No library that ComfyUI had not loaded."""
    assert imported() == {"nodes": len(our_nodes(server)), "loaded": []}


def test_all_nodes_are_there_without_any_library(server):
    """Each is missed where it is used, and said there; ComfyUI itself does not start without torch and safetensors."""
    assert imported(*LIBRARIES) == {"nodes": len(our_nodes(server)), "loaded": []}


def test_results_are_seen_on_their_nodes(server):
    """A first run without a file of one's own: pictures and short videos on the nodes, words for what cannot be."""
    nodes = {
        "example": ("ExamplePortraitAndSpeech", {}),
        "detector": ("LoadPoseDetector", {"detector": "auto", "pose": "auto", "provider": "auto"}),
        "initial": (
            "DWPoseInitialPose",
            # as no other test asks: what is cached is not shown anew by today's core
            {"detector": ["detector", 0], "image": ["example", 0], "person": "left to right", "person_index": 0},
        ),
        "poses": (
            "RhythmAudio2Pose",
            {"audio": ["short", 0], "initial_pose": ["initial", 0], "seed": 1}
            | dict.fromkeys(("body", "head", "hands", "face", "lips"), 1.0),
        ),
        "masks": (
            "MotionMaskBuilder",
            {"poses": ["poses", 0], "width": 96, "height": 0, "hold_frames": 0, "image": ["example", 0]}
            | dict.fromkeys(("face_margin", "lips_margin", "hands_margin"), 0.0),
        ),
        "drawn": ("DrawPoses", {"poses": ["poses", 0], "width": 0, "height": 64, "style": "MM-HAA"}),
        "preview": (
            "PreviewMotion",
            {
                "image": ["example", 0],
                "poses": ["poses", 0],
                "initial_pose": ["initial", 0],
                "audio": ["short", 0],
                "long_side": 128,
            },
        ),
        "saved": ("SavePoses", {"poses": ["poses", 0], "filename_prefix": "seen/poses"}),
    }
    prompt = {key: {"class_type": f"MMGT_{name}", "inputs": inputs} for key, (name, inputs) in nodes.items()}
    prompt["short"] = {
        "class_type": "TrimAudioDuration",
        "inputs": {"audio": ["example", 1], "start_index": 0.0, "duration": 1.0},
    }
    prompt["mask"] = {"class_type": "MaskToImage", "inputs": {"mask": ["masks", 0]}}
    for key, source in (("mask file", "mask"), ("drawn file", "drawn"), ("preview file", "preview")):
        prompt[key] = {
            "class_type": "SaveImage",
            "inputs": {"images": [source, 0], "filename_prefix": f"seen/{source}"},
        }
    said, num_pictures = heard_while(server, prompt)
    assert said == {"saved": str(server.base / "output" / "seen" / "poses_00001_.json")}
    assert num_pictures == 0, "the page would show the last of these in the place of the results"
    (last,) = server.get("/history?max_items=1").values()
    outputs = outputs_of(last)
    for key, side_px in (("mask", 96), ("drawn", 64), ("preview", 128)):
        picture = read_picture(server.base / "output" / "seen" / outputs[f"{key} file"]["images"][0]["filename"])
        assert picture.shape == (side_px, side_px, 3)
    assert [image["type"] for image in outputs["initial"]["images"]] == ["temp"]
    for key in ("masks", "drawn", "preview"):
        (shown,) = outputs[key]["images"]
        with av.open(str(server.base / "temp" / shown["filename"])) as container:
            assert container.streams.video[0].frames == 25
            assert len(container.streams.audio) == (key == "preview")

    again = server.run(prompt)  # all of it cached: cores that can show it anew are asked to
    if "has_intermediate_output" in our_nodes(server)["MMGT_PreviewMotion"]:
        for key in ("initial", "masks", "drawn", "preview"):
            assert again[key]["images"] == outputs[key]["images"]

    prompt["drawn"]["inputs"] |= {"width": 7, "height": 7}
    with pytest.raises(RuntimeError, match="the size is 7x7 px; both sides must be at least 16 px"):
        server.run(prompt)


def test_missing_encoders_are_each_named_by_their_own_input(server):
    inputs = {"wavlm": "a.safetensors", "wav2vec2": "b.safetensors", "weight_dtype": "fp32"}
    nodes = {
        "encoder": {"class_type": "MMGT_LoadAudioEncoder", "inputs": inputs},
        "example": {"class_type": "MMGT_ExamplePortraitAndSpeech", "inputs": {}},
        "speech": {
            "class_type": "MMGT_EncodeSpeech",
            "inputs": {"audio": ["example", 1], "encoder": ["encoder", 0]},
        },
        "shown": {"class_type": "PreviewAny", "inputs": {"source": ["speech", 0]}},
    }
    with pytest.raises(RuntimeError, match=r"wavlm: there is no .*'a\..* wav2vec2: there is no .*'b\."):
        server.queue(nodes)


def test_detector_files_that_come_after_the_error_are_seen(server):
    """Load Pose Detector is cached, but not beyond a change of its files."""
    prompt = prompt_of(server, "preview_from_speech")
    keys = {node["class_type"]: key for key, node in prompt.items()}
    kept = {key: prompt[key] for name, key in keys.items() if name == "MMGT_LoadPoseDetector"}
    kept["example"] = {"class_type": "MMGT_ExamplePortraitAndSpeech", "inputs": {}}
    kept["pose"] = {
        "class_type": "MMGT_DWPoseInitialPose",
        "inputs": {
            "detector": [keys["MMGT_LoadPoseDetector"], 0],
            "image": ["example", 0],
            "person": "largest",
            "person_index": 0,
        },
    }
    kept["shown"] = {"class_type": "PreviewImage", "inputs": {"images": ["pose", 1]}}
    server.run(kept)
    files = [server.base / "models" / "mmgt" / name for name in ("yolox_l.onnx", "dw-ll_ucoco_384.onnx")]
    try:
        for file in files:
            file.write_bytes(b"no network")
        with pytest.raises(RuntimeError, match=r"onnx"):
            server.run(kept)
    finally:
        for file in files:
            file.unlink()
