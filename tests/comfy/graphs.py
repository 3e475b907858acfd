"""Saved graphs as prompts, and what comes out of them."""

import json
from pathlib import Path

import av

from mmgt.poses import load_poses

REPOSITORY = Path(__file__).parents[2]
GRAPHS = sorted((REPOSITORY / "workflows").glob("*.json"))
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")


def our_nodes(server):
    return {name: info for name, info in server.get("/object_info").items() if name.startswith("MMGT_")}


def inputs_of(info):
    """Input name -> type, in order; a combo is "COMBO"."""
    specs = {**info["input"].get("required", {}), **info["input"].get("optional", {})}
    return {name: spec[0] if isinstance(spec[0], str) else "COMBO" for name, spec in specs.items()}


def to_api(server, graph):
    """A saved graph as the prompt that the page would queue."""
    infos, links = server.get("/object_info"), {link[0]: link for link in graph["links"]}
    prompt = {}
    for node in graph["nodes"]:
        if node["type"] in ("MarkdownNote", "Note"):
            continue
        info, values = infos[node["type"]], iter(node["widgets_values"])
        linked = {i["name"]: links[i["link"]] for i in node["inputs"] if i["link"] is not None}
        inputs = {}
        for name, kind in inputs_of(info).items():
            if kind in WIDGETS:
                options = {**info["input"].get("required", {}), **info["input"].get("optional", {})}[name][-1]
                inputs[name] = next(values, options.get("default") if isinstance(options, dict) else None)
                if isinstance(options, dict) and options.get("control_after_generate"):
                    next(values)
            if name in linked:
                inputs[name] = [str(linked[name][1]), linked[name][2]]
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return prompt


def prompt_of(server, name):
    """A bundled graph as a prompt."""
    return to_api(server, json.loads((REPOSITORY / "workflows" / f"{name}.json").read_text()))


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


def saving_poses(prompt, class_type, title):
    """Adds a Save Poses behind the only node of a class; its file is what ``saved_poses`` reads."""
    (key,) = (key for key, node in prompt.items() if node["class_type"] == class_type)
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
