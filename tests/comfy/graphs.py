"""Saved graphs as prompts, and what comes out of them."""

import json
from pathlib import Path

import av

from mmgt.pose_files import load_poses
from mmgt.weights.catalog import MMHAA, SMGA, VAE

REPOSITORY = Path(__file__).parents[2]
GRAPHS = sorted((REPOSITORY / "workflows").glob("*.json"))
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
EXAMPLES = ("MMGT_ExamplePortraitAndSpeech", "MMGT_ExamplePresenterAndSpeech")
DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"  # of newer cores


def our_nodes(server):
    return {name: info for name, info in server.get("/object_info").items() if name.startswith("MMGT_")}


def inputs_of(info):
    """Input name -> type, in order; a combo is "COMBO"."""
    specs = widgets_and_sockets(info["input"])
    return {name: spec[0] if isinstance(spec[0], str) else "COMBO" for name, spec in specs.items()}


def widgets_and_sockets(described):
    return {**described.get("required", {}), **described.get("optional", {})}


def widget_values(specs, values, prefix=""):
    """Widget name -> its value, from a saved node's values in order, by the names that the page queues.

    The widgets of a dynamic combo's chosen option follow it and are named after it: "format", then "format.codec".
    """
    named = {}
    for name, spec in specs.items():
        kind, options = (spec[0] if isinstance(spec[0], str) else "COMBO"), spec[1] if len(spec) > 1 else {}
        if kind == DYNAMIC_COMBO:
            chosen = named[prefix + name] = next(values, options["options"][0]["key"])
            (option,) = (option for option in options["options"] if option["key"] == chosen)
            named |= widget_values(widgets_and_sockets(option["inputs"]), values, f"{prefix}{name}.")
        elif kind in WIDGETS:
            named[prefix + name] = next(values, options.get("default"))
            if options.get("control_after_generate"):
                next(values)
    return named


def to_api(server, graph):
    """A saved graph as the prompt that the page would queue."""
    infos, links = server.get("/object_info"), {link[0]: link for link in graph["links"]}
    prompt = {}
    for node in graph["nodes"]:
        if node["type"] in ("MarkdownNote", "Note"):
            continue
        inputs = widget_values(widgets_and_sockets(infos[node["type"]]["input"]), iter(node["widgets_values"]))
        linked = {i["name"]: links[i["link"]] for i in node["inputs"] if i["link"] is not None}
        inputs |= {name: [str(link[1]), link[2]] for name, link in linked.items()}
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return prompt


def prompt_of(server, name):
    """A bundled graph, with or without its number, as a prompt; its person found as its note says without DWPose."""
    (path,) = (path for path in GRAPHS if name in (path.stem, path.stem[3:]))
    prompt = to_api(server, json.loads(path.read_text()))
    for detector in nodes_of(prompt, "MMGT_LoadPoseDetector"):
        detector.update(detector="auto", pose="auto")
    return prompt


def with_loaders(prompt, image="portrait.png", audio="speech.wav"):
    """The prompt with core's loaders in the place of the example that it begins with, as its note says."""
    (example,) = (key for key, node in prompt.items() if node["class_type"] in EXAMPLES)
    del prompt[example]
    prompt["photo"] = {"class_type": "LoadImage", "inputs": {"image": image}}
    prompt["speech"] = {"class_type": "LoadAudio", "inputs": {"audio": audio}}
    for node in prompt.values():
        for name, value in node["inputs"].items():
            if isinstance(value, list) and value[0] == example:
                node["inputs"][name] = [("photo", "speech")[value[1]], 0]
    return prompt


def with_shipped(prompt, image, audio, film, side_px):
    """The prompt with loaders that name what is shipped, as its user chooses without the published files.

    side_px: of the first video where a second pass enlarges its latent.
    """
    prompt = without(with_loaders(prompt, image, audio), "CLIPVisionLoader")
    chosen = {
        "MMGT_LoadMMHAAModel": {"mmhaa": MMHAA.shipped},
        "MMGT_LoadSMGAModel": {"smga": SMGA.shipped},
        "MMGT_LoadAudioEncoder": dict.fromkeys(("wavlm", "wav2vec2"), "none: hand-crafted features only"),
        "VAELoader": {"vae_name": VAE.shipped},
        "MMGT_MMHAAVideoSampler": {"preset": "small", "width": 0, "height": 0},
        "MMGT_SMGAAudio2PoseSampler": {"guidance": 1.0, "steps": 10},
        "MMGT_TrailingSigmas": {"steps": 4},
        "CFGGuider": {"cfg": 1.0},
    }
    for class_type, values in chosen.items():
        for node in nodes_of(prompt, class_type):
            node.update(values)
    for node in prompt.values():
        node["inputs"] = {name: film if value == "filmed.mp4" else value for name, value in node["inputs"].items()}
    samplers = nodes_of(prompt, "MMGT_MMHAAVideoSampler")
    if any("latent" in sampler for sampler in samplers):  # a second pass, of a latent that is 1.5 times as large
        for sampler in samplers:
            side = side_px * 3 // 2 if "latent" in sampler else side_px
            sampler.update(width=side, height=side)
    prompt = without(prompt, "UpscaleModelLoader")
    for node in prompt.values():
        if node["class_type"] == "ImageUpscaleWithModel":  # no upscale model is at hand
            node["class_type"] = "ImageScaleBy"
            node["inputs"].update(upscale_method="lanczos", scale_by=2.0)
    return prompt


def nodes_of(prompt, class_type):
    """Inputs of the nodes of a class, to be changed."""
    return [node["inputs"] for node in prompt.values() if node["class_type"] == class_type]


def without(prompt, class_type):
    """The prompt without the nodes of a class, and without the links from them."""
    gone = {key for key, node in prompt.items() if node["class_type"] == class_type}
    for node in prompt.values():
        node["inputs"] = {
            name: value for name, value in node["inputs"].items() if not (isinstance(value, list) and value[0] in gone)
        }
    return {key: node for key, node in prompt.items() if key not in gone}


def saving_poses(prompt, class_type, title, **having):
    """Adds a Save Poses behind the only node of a class with these values; its file is what ``saved_poses`` reads."""
    (key,) = (
        key
        for key, node in prompt.items()
        if node["class_type"] == class_type and having.items() <= node["inputs"].items()
    )
    inputs = {"poses": [key, 0], "filename_prefix": f"seen/{title}"}
    prompt[title] = {"class_type": "MMGT_SavePoses", "inputs": inputs}


def saved_poses(outputs, key):
    return load_poses(Path(outputs[key]["text"][0]))


def video_of(server, output):
    (saved,) = output["images"]
    return server.base / saved["type"] / saved["subfolder"] / saved["filename"]


def decoded(path):
    """Frames [T, H, W, 3] uint8, and seconds of picture and of sound (None without)."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        seconds = [float(stream.duration * stream.time_base) for stream in container.streams]
    return frames, seconds[0], seconds[1] if len(seconds) > 1 else None
