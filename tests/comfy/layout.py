"""Write the bundled graphs anew from what the nodes of a running ComfyUI take: ``layout.py http://127.0.0.1:8188``.

``graph_texts.py`` says which nodes a graph has, in which columns, and what is set on them. This file gives them sizes
and places, and leads every wire that would pass behind a node through a free lane. Run it with ComfyUI 0.3.64.
"""

import json
import math
import sys
import urllib.request
from itertools import count
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from graph_texts import FILES, GRAPHS, Node
from wires import SLOT, box_of, curve, extent, template_room

WORKFLOWS = Path(__file__).parents[2] / "workflows"
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
COLUMN_GAPS, GROUP_GAP, NODE_GAP, PADDING = (62, 92), 48, 50, 14
NARROWEST = 212  # the page makes a node with widgets as wide, if it is not
WIDER = {"MMGT_ExamplePortraitAndSpeech": 234, "MMGT_SMGAAudio2PoseSampler": 226, "ImageUpscaleWithModel": 240}
WIDER |= {"MMGT_PosesToPoseKeypoint": 218, "MMGT_PoseKeypointToPoses": 218}  # by their titles and sockets
GROUP_TITLE = 80  # from a group's upper edge to its first node
GROUP_FONT, GROUP_LETTER = 28, 14
NOTE_WIDTH, NOTE_LETTERS = 1400, 220  # letters of a line
LANES = 84  # between the note and the groups
MUTED = 2  # LiteGraph's "never"
CLEAR = 10  # between a wire and a foreign node
MORE_HEIGHT = {"LoadVideo": 180, "LoadAudio": 90, "SaveVideo": 280}  # for what they show
MORE_HEIGHT |= {"CreateVideo": 24, "PreviewAny": 24}  # for inputs that newer cores have
SMALLEST_SCALE = 0.572
SIDEBAR = 60  # px on the left, where it lies on the canvas
MENU = (76, 92)  # px that the page's own menus cover on the left and above, where they lie on the canvas
CANVAS = (1534, 915)  # px of a window of 1600 x 1000 that are left where they lie beside it
EXTRA_VALUES = {"LoadAudio": [None], "LoadVideo": ["image"]}


class NoWayError(ValueError):
    """A wire cannot be laid."""


def widgets_of(info):
    """Widgets [(name, default, has a seed's control)] and sockets [(name, type, is optional)], in order."""
    widgets, sockets = [], []
    for section in ("required", "optional"):
        for name, spec in info["input"].get(section, {}).items():
            kind, options = spec[0], spec[1] if len(spec) > 1 else {}
            if isinstance(kind, list) or kind in WIDGETS:
                choices = kind if isinstance(kind, list) else options.get("options", [])
                default = options.get("default", choices[0] if choices else None)
                widgets.append((name, default, bool(options.get("control_after_generate"))))
            else:
                sockets.append((name, kind, section == "optional"))
    return widgets, sockets


def made(node: Node, info, number, width):
    """A node as the page saves it, without place and wires."""
    widgets, sockets = widgets_of(info)
    unknown = set(node.values) - {name for name, *_ in widgets}
    unknown |= set(node.inputs) - {name for name, *_ in sockets}
    if unknown:
        raise ValueError(f"{node.type} has no {', '.join(sorted(unknown))}")
    values = []
    for name, default, controlled in widgets:
        values += [node.values.get(name, default), *(["fixed"] if controlled else [])]
    rows = max(len(sockets), len(info["output"]))
    height = SLOT * rows + 24 * len(values) + (14 if rows or values else 0)
    values += EXTRA_VALUES.get(node.type, [])
    properties = {"Node name for S&R": node.type}
    if node.type.startswith("MMGT_"):
        properties |= {"cnr_id": "mmgt", "ver": "0.1.0"}
    else:
        properties |= {"cnr_id": "comfy-core", "ver": "0.3.64"}
    if models := [FILES[value] for value in values if isinstance(value, str) and value in FILES]:
        properties["models"] = models
    return {
        "id": number,
        "type": node.type,
        "pos": [0, 0],
        "size": [width, height + MORE_HEIGHT.get(node.type, 0) + node.picture],
        "flags": {},
        "order": number - 1,
        "mode": MUTED if node.muted else 0,
        "inputs": [
            {"name": name, "type": kind, "link": None, **({"shape": 7} if optional else {})}
            for name, kind, optional in sockets
        ],
        "outputs": [
            {"name": name, "type": kind, "links": []}
            for name, kind in zip(info["output_name"], info["output"], strict=True)
        ],
        "properties": properties,
        "widgets_values": values,
    }


def fitting(columns):
    """Nodes' widths by key and gaps between columns, with which the page that opens a template can show text.

    First for a window of 1600 px, then for one of 1920, and at last as wide as can be read where the graph is opened
    as a file; nodes as wide as wished, then as narrow as may be.
    """
    narrow, wished = {}, {}
    for group in (group for column in columns for group in column):
        titled = math.ceil(len(group.title) * GROUP_LETTER) - 2 * PADDING
        for node in group.nodes:
            narrow[node.key] = max(titled, WIDER.get(node.type, NARROWEST))
            wished[node.key] = max(node.width, narrow[node.key])
    rooms = [template_room(1600, 0)[0] - PADDING, template_room(1920, 0)[0] - PADDING]
    rooms.append((CANVAS[0] - SIDEBAR) / SMALLEST_SCALE - 2 * PADDING - 1)
    for room in rooms:
        for widths in (wished, narrow):
            taken = sum(max(widths[node.key] for group in column for node in group.nodes) for column in columns)
            gap = int((room - taken) / (len(columns) - 1))
            if gap >= COLUMN_GAPS[0]:
                yield widths, min(gap, COLUMN_GAPS[1])


def placed(columns, boxes, top, gap):
    """The groups, with all nodes of the columns put at their places."""
    groups, left = [], 0
    for column in columns:
        y, width = top, max(boxes[node.key]["size"][0] for group in column for node in group.nodes)
        for group in column:
            start = y
            y += GROUP_TITLE
            for node in group.nodes:
                boxes[node.key]["pos"] = [left, y]
                y += boxes[node.key]["size"][1] + NODE_GAP
            bottom = y - NODE_GAP + PADDING
            groups.append(
                {
                    "id": len(groups) + 1,
                    "title": group.title,
                    "bounding": [left - PADDING, start, width + 2 * PADDING, bottom - start],
                    "color": group.colour,
                    "font_size": GROUP_FONT,
                    "flags": {},
                }
            )
            y = bottom + GROUP_GAP
        left += width + gap
    return groups


def routes(start, end, lowest):
    """Ways from an output to an input, the shortest first: straight, or over a level lane between two reroutes."""
    ways = [(0, [start, end])]
    for lane in range(-60, lowest + 100, 12):
        for leave in range(22, 71, 8):
            for arrive in range(22, 71, 8):
                points = [start, (start[0] + leave, lane), (end[0] - arrive, lane), end]
                if points[1][0] + 10 > points[2][0]:
                    continue
                ways.append((150 + abs(lane - start[1]) + abs(lane - end[1]), points))
    return sorted(ways, key=lambda way: way[0])


def changing_routes(start, end, lowest, gaps):
    """Ways over two lanes, changed between two columns."""
    ways = []
    for first in range(-60, lowest + 100, 30):
        for second in range(-60, lowest + 100, 30):
            for gap in gaps:
                if start[0] + 80 < gap < end[0] - 80 and first != second:
                    points = [start, (start[0] + 46, first), (gap - 14, first), (gap + 14, second)]
                    points += [(end[0] - 46, second), end]
                    length = abs(first - start[1]) + abs(first - second) + abs(second - end[1])
                    ways.append((400 + length, points))
    return sorted(ways, key=lambda way: way[0])


def wired(graph, nodes, links, gap):
    """Adds the links, each by the shortest way that passes behind no node and keeps apart from other wires."""
    number, reroute = count(1), count(1)
    boxes = np.array([box_of(node) for node in nodes])
    titles = np.array([(x, y - 6, x + w, y + 44) for x, y, w, _ in (group["bounding"] for group in graph["groups"])])
    gaps = sorted({node["pos"][0] - gap // 2 for node in nodes})
    drawn, lowest = [], int(boxes[:, 3].max())
    extra = graph["extra"] = {"reroutes": [], "linkExtensions": []}

    def hit(wire, around, margins):
        low, high = around[:, None, :2] - margins, around[:, None, 2:] + margins
        return ((wire > low) & (wire < high)).all(axis=-1).any(axis=1)

    def shortest(ways, ends, origin):
        best = None
        margins = np.array([-6 if node in ends else CLEAR for node in nodes])[:, None, None]
        for cost, points in ways:
            if best is not None and cost >= best[0]:
                break
            wire = curve(points)[::2]
            if hit(wire, boxes, margins).any():
                continue
            cost += 3000 * int(hit(wire, titles, 0).sum())
            for other, its_origin in drawn:
                near = np.abs(wire[::2, None] - other[None]).max(axis=-1).min(axis=1) < 9
                cost += (2 if origin == its_origin else 40) * int(near.sum())
            if best is None or cost < best[0]:
                best = cost, points, wire
        return best

    for source, output, target, name in links:
        link_id = next(number)
        slot = next(i for i, entry in enumerate(target["inputs"]) if entry["name"] == name)
        kind = source["outputs"][output]["type"]
        target["inputs"][slot]["link"] = link_id
        source["outputs"][output]["links"].append(link_id)
        graph["links"].append([link_id, source["id"], output, target["id"], slot, kind])
        start = (source["pos"][0] + source["size"][0], round(source["pos"][1] + (output + 0.7) * SLOT))
        end = (target["pos"][0], round(target["pos"][1] + (slot + 0.7) * SLOT))
        ends, origin = (source, target), (source["id"], output)
        best = shortest(routes(start, end, lowest), ends, origin)
        if best is None:
            best = shortest(changing_routes(start, end, lowest, gaps), ends, origin)
        if best is None:
            raise NoWayError(f"there is no free way from {source['type']} to {target['type']}.{name}")
        _, points, wire = best
        drawn.append((wire, origin))
        parent = None
        for x, y in points[1:-1]:
            key = next(reroute)
            extra["reroutes"].append(
                {"id": key, **({"parentId": parent} if parent else {}), "pos": [x, y], "linkIds": [link_id]}
            )
            parent = key
        if parent:
            extra["linkExtensions"].append({"id": link_id, "parentId": parent})
    graph["last_link_id"] = next(number) - 1


def listed(description):
    """The files that the nodes name, by folder, as the note says them."""
    values = [v for column in description.columns for group in column for n in group.nodes for v in n.values.values()]
    folders = {}
    for file in (FILES[value] for value in values if isinstance(value, str) and value in FILES):
        folders.setdefault(file["directory"], []).append(f"`{file['name']}`")
    return "\n".join(f"- `models/{folder}`: {', '.join(names)}" for folder, names in folders.items())


def saved_graph(description, infos):
    reason: Exception | None = None
    for widths, gap in fitting(description.columns):
        try:
            return fitted(description, infos, widths, gap)
        except NoWayError as error:
            reason = error
    raise reason or ValueError("its columns are too wide to be read where the page opens them")


def fitted(description, infos, widths, gap):
    """The graph with nodes of these widths and this gap between columns. Raises NoWayError."""
    text = description.note.replace("{files}", listed(description))
    lines = sum(-(-len(line) // NOTE_LETTERS) for line in text.split("\n") if line)
    note_height = 44 + 15 * lines + 8 * text.count("\n\n")
    note = {
        "id": 1,
        "type": "MarkdownNote",
        "pos": [-PADDING, TOP],
        "size": [NOTE_WIDTH, note_height],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "title": "Read me",
        "properties": {},
        "widgets_values": [text],
        "color": "#432",
        "bgcolor": "#653",
    }
    every = [node for column in description.columns for group in column for node in group.nodes]
    boxes = {node.key: made(node, infos[node.type], number, widths[node.key]) for number, node in enumerate(every, 2)}
    groups = placed(description.columns, boxes, TOP + note_height + LANES, gap)
    graph = {"revision": 0, "last_node_id": len(every) + 1, "last_link_id": 0}
    graph |= {
        "nodes": [note, *boxes.values()],
        "links": [],
        "groups": groups,
        "config": {},
        "extra": {},
        "version": 0.4,
    }
    links = []
    for node in every:
        for name, source in node.inputs.items():
            key, _, output = source.partition(".")
            outputs = [entry["name"] for entry in boxes[key]["outputs"]]
            links.append((boxes[key], outputs.index(output) if output else 0, boxes[node.key], name))
    links.sort(key=lambda link: link[2]["pos"][0] - link[0]["pos"][0])  # short ones first
    wired(graph, graph["nodes"], links, gap)
    left, top, right, bottom = extent(graph)
    (beside, above), (across, down) = MENU, CANVAS
    scale = round(max(SMALLEST_SCALE, min(0.8, (across - beside) / (right - left), (down - above) / (bottom - top))), 3)
    beside, above = min(beside, across - (right - left) * scale), min(above, down - (bottom - top) * scale)
    graph["extra"]["ds"] = {"scale": scale, "offset": [round(beside / scale - left), round(above / scale - top)]}
    return graph


TOP = 0


def main(address, only=""):
    with urllib.request.urlopen(f"{address}/object_info") as page:
        infos = json.load(page)
    for name, description in GRAPHS.items():
        if only and only not in name:
            continue
        graph = saved_graph(description, infos)
        (WORKFLOWS / f"{name}.json").write_text(json.dumps(graph, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
