"""The bundled graphs as they lie on disk: readable, complete, and in step with the nodes' inputs. No ComfyUI needed."""

import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from wires import READABLE, behind_nodes, box_of, crosses, curve, extent, points_of, template_room

from mmgt.weights import catalog

FOLDER = Path(__file__).parents[1] / "workflows"
GRAPHS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
SCHEMAS = json.loads((Path(__file__).parent / "comfy" / "schema_snapshot.json").read_text())
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
NEWCOMERS = ("00_start_here", "01_preview_from_speech", "02_preview_from_saved_poses")
NOTHING_TO_GET = (*NEWCOMERS, "12_compare_ways_to_poses", "13_ablations")
TOO_LARGE = ("12_compare_ways_to_poses",)  # to be read before one zooms in, where newer pages open templates
OUTPUT_NODES = {
    "SaveVideo",
    "PreviewAny",
    "PreviewImage",
    "MMGT_DecodeVideoToFile",
    "MMGT_ReadProvenance",
    "MMGT_SavePoses",
}
CANVAS = (1536, 922)  # of a window of 1600 x 1000 px
SIDEBAR = 60  # px on the left, where it lies on the canvas
NARROWEST = 210  # the page makes a node with widgets as wide, if it is not
every_graph = pytest.mark.parametrize("name", GRAPHS)


def nodes_of(name):
    return [node for node in GRAPHS[name]["nodes"] if node["type"] != "MarkdownNote"]


@every_graph
def test_no_wire_passes_behind_a_node(name):
    assert behind_nodes(GRAPHS[name], margin=4) == []


def test_the_check_sees_a_wire_behind_a_node():
    sampler = {"id": 1, "type": "A", "pos": [0, 0], "size": [100, 50], "inputs": [], "outputs": []}
    between, behind = {**sampler, "id": 2, "type": "B", "pos": [200, 0]}, {**sampler, "id": 3, "pos": [400, 0]}
    graph = {"nodes": [sampler, between, behind], "links": [[1, 1, 0, 3, 0, "IMAGE"]], "extra": {}}
    assert behind_nodes(graph) == [(1, "B")]
    lane = [{"id": 1, "pos": [140, 90], "linkIds": [1]}, {"id": 2, "parentId": 1, "pos": [360, 90], "linkIds": [1]}]
    graph["extra"] = {"reroutes": lane, "linkExtensions": [{"id": 1, "parentId": 2}]}
    assert behind_nodes(graph) == []


def test_a_wire_begins_and_ends_at_its_sockets_and_passes_its_reroutes():
    points = [(0, 0), (60, 200), (500, 200), (560, 20)]
    wire = curve(points)
    for point in points:
        assert np.abs(wire - point).sum(axis=1).min() < 1e-9
    straight = curve([(0, 0), (100, 0)])
    assert np.abs(straight[:, 1]).max() == 0
    assert crosses(straight, (40, -10, 60, 10))
    assert not crosses(straight, (40, 5, 60, 10))


@every_graph
def test_nothing_leads_nowhere(name):
    """ComfyUI runs output nodes and what they need; all others stay as they are, and say nothing."""
    leads_on = {origin for _, origin, *_ in GRAPHS[name]["links"]}
    ends = {node["type"] for node in nodes_of(name) if node["id"] not in leads_on}
    assert ends <= OUTPUT_NODES


@every_graph
def test_wires_lead_from_left_to_right(name):
    for points in points_of(GRAPHS[name]).values():
        assert all(a[0] < b[0] for a, b in pairwise(points))


@every_graph
def test_nodes_lie_apart_and_inside_their_group(name):
    boxes = [(node["type"], box_of(node)) for node in GRAPHS[name]["nodes"]]
    for index, (first, a) in enumerate(boxes):
        for second, b in boxes[index + 1 :]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (first, second)
    groups = [(x, y, x + w, y + h) for x, y, w, h in (group["bounding"] for group in GRAPHS[name]["groups"])]
    for node in nodes_of(name):
        left, top, right, bottom = box_of(node)
        inside = [g for g in groups if g[0] <= left and g[1] <= top and right <= g[2] and bottom <= g[3]]
        assert len(inside) == 1, node["type"]


@every_graph
def test_the_whole_graph_opens_where_text_is_drawn(name):
    """Text is drawn above a certain zoom only; group titles are there at any, and wide enough."""
    graph = GRAPHS[name]
    left, top, right, bottom = extent(graph)
    scale, (x, y) = graph["extra"]["ds"]["scale"], graph["extra"]["ds"]["offset"]
    assert scale > READABLE
    assert SIDEBAR <= (left + x) * scale < (right + x) * scale <= CANVAS[0]
    assert 0 <= (top + y) * scale < (bottom + y) * scale <= CANVAS[1]
    for group in graph["groups"]:
        assert group["font_size"] * scale >= 16
        assert len(group["title"]) * group["font_size"] * 0.5 <= group["bounding"][2], group["title"]


@pytest.mark.parametrize("name", [name for name in GRAPHS if name not in TOO_LARGE])
def test_text_is_drawn_where_the_page_opens_it_as_a_template(name):
    """The page then chooses the zoom itself. The graphs that a newcomer runs first are for a smaller window."""
    left, top, right, bottom = extent({"nodes": GRAPHS[name]["nodes"], "groups": []})
    wide, high = template_room(1600, 1000) if name in NEWCOMERS[1:] else template_room(1920, 1080)
    assert right - left <= wide
    assert bottom - top <= high


@every_graph
def test_the_page_leaves_nodes_as_wide_as_they_are(name):
    """One that it widens sticks out of its group."""
    assert min(node["size"][0] for node in nodes_of(name)) >= NARROWEST


@every_graph
def test_links_and_slots_agree(name):
    graph = GRAPHS[name]
    nodes = {node["id"]: node for node in graph["nodes"]}
    for link_id, source, output, target, slot, kind in graph["links"]:
        assert nodes[target]["inputs"][slot]["link"] == link_id
        assert link_id in nodes[source]["outputs"][output]["links"]
        assert nodes[source]["outputs"][output]["type"] == kind
        taken = nodes[target]["inputs"][slot]["type"]
        assert taken == "*" or set(kind.split(",")) & set(taken.split(","))
    linked = [entry["link"] for node in nodes.values() for entry in node["inputs"] if entry["link"] is not None]
    assert sorted(linked) == sorted(link[0] for link in graph["links"])


@every_graph
def test_sockets_and_values_fit_the_nodes(name):
    """Values are positional: as many as the node has widgets, a number where a number belongs."""
    for node in nodes_of(name):
        if node["type"] not in SCHEMAS:
            continue
        schema = SCHEMAS[node["type"]]
        sockets = [given for given, kind in schema["inputs"] if kind not in WIDGETS]
        assert [entry["name"] for entry in node["inputs"]] == sockets
        assert [entry["type"] for entry in node["outputs"]] == schema["outputs"]
        kinds = []
        for given, kind in schema["inputs"]:
            kinds += [kind] if kind in WIDGETS else []
            kinds += ["COMBO"] if given == "seed" else []  # what becomes of it after a run
        python = {"INT": int, "FLOAT": (int, float), "BOOLEAN": bool, "STRING": str, "COMBO": str}
        assert len(node["widgets_values"]) == len(kinds), node["type"]
        for value, kind in zip(node["widgets_values"], kinds, strict=True):
            assert isinstance(value, python[kind]), (node["type"], value, kind)


def needed(name):
    """Files of the catalogue that the values of the nodes name."""
    values = {value for node in nodes_of(name) for value in node["widgets_values"] if isinstance(value, str)}
    return {file.name for file in catalog.CATALOG if file.name in values}


@every_graph
def test_every_needed_file_is_offered_when_the_graph_opens(name):
    """In ``properties.models`` of the node whose value it is: the page looks for it nowhere else."""
    files = {file.name: file for file in catalog.CATALOG}
    offered = set()
    for node in nodes_of(name):
        for model in node["properties"].get("models", []):
            file = files[model["name"]]
            assert model["name"] in node["widgets_values"]
            assert model["directory"] == file.folder
            assert model["url"] == f"https://huggingface.co/{file.repository}/resolve/main/{file.published}"
            offered.add(model["name"])
    assert offered == needed(name)
    types = {node["type"] for node in nodes_of(name)}
    values = [value for node in nodes_of(name) for value in node["widgets_values"]]
    for node_type, key in (
        ("MMGT_LoadSMGAModel", "smga"),
        ("MMGT_LoadMMHAAModel", "mmhaa"),
        ("VAELoader", "vae"),
        ("CLIPVisionLoader", "clip"),
    ):
        file = next(file for file in catalog.CATALOG if file.key == key)
        assert (node_type in types) == (file.name in offered or (file.shipped or None) in values)
    assert ({"yolox_l.onnx", "dw-ll_ucoco_384.onnx"} <= offered) == (name not in NOTHING_TO_GET)
    note = next(node for node in GRAPHS[name]["nodes"] if node["type"] == "MarkdownNote")["widgets_values"][0]
    assert all(file in note for file in offered)


@every_graph
def test_it_names_nothing_that_a_fresh_comfyui_lacks(name):
    """No command of ours, no picture or recording that nobody has; films are the user's own."""
    note = next(node for node in GRAPHS[name]["nodes"] if node["type"] == "MarkdownNote")["widgets_values"][0]
    assert not re.search(r"`(python -m )?mmgt ", note)
    assert not {"LoadImage"} & {node["type"] for node in nodes_of(name)}
    for other in re.findall(r"`(\d\d_\w+)`", note):
        assert other in GRAPHS


def test_graphs_with_nothing_to_get_come_first_and_every_graph_has_its_own_picture():
    assert tuple(GRAPHS)[: len(NEWCOMERS)] == NEWCOMERS
    assert [name[:3] for name in GRAPHS] == [f"{number:02}_" for number in range(len(GRAPHS))]
    pictures = [(FOLDER / f"{name}.jpg").read_bytes() for name in GRAPHS]
    assert all(picture[:2] == b"\xff\xd8" and len(picture) < 100_000 for picture in pictures)
    assert len(set(pictures)) == len(pictures)


def test_the_readme_lists_them_in_order():
    listed = re.findall(r"^\| `(\d\d_\w+)` \|", (FOLDER.parent / "README.md").read_text(), re.MULTILINE)
    assert listed == list(GRAPHS)
