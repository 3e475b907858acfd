"""Where ComfyUI's page draws the wires of a saved graph, and what lies in their way. Lengths are the canvas's units."""

import math
from itertools import pairwise

import numpy as np

TITLE = 30  # a node's title bar, above its position
SLOT = 20  # the height of a socket's row
MAX_BEND = 80  # how far a wire's handles reach beside a reroute
READABLE = 8 / 14  # the zoom from which on the page draws text
SAMPLES = np.linspace(0, 1, 33)[:, None]


def template_room(width_px, height_px):
    """How wide and high a graph's nodes may be for text to be drawn where they are opened as a template.

    Newer pages put them, and 10 around them, into three quarters of the window; 2 are left for rounding.
    """
    return tuple(0.75 * side / READABLE - 22 for side in (width_px, height_px))


def box_of(node):
    """(left, top, right, bottom) of a node with its title."""
    (x, y), (width, height) = node["pos"], node["size"]
    return x, y - TITLE, x + width, y + height


def extent(graph):
    """(left, top, right, bottom) of all nodes and groups."""
    boxes = [box_of(node) for node in graph["nodes"]]
    boxes += [(x, y, x + w, y + h) for x, y, w, h in (group["bounding"] for group in graph["groups"])]
    return tuple(np.min(boxes, axis=0)[:2].tolist() + np.max(boxes, axis=0)[2:].tolist())


def points_of(graph):
    """Link id -> its points from output over the reroutes to input, each (x, y)."""
    nodes = {node["id"]: node for node in graph["nodes"]}
    reroutes = {reroute["id"]: reroute for reroute in graph["extra"].get("reroutes", [])}
    last = {link["id"]: link["parentId"] for link in graph["extra"].get("linkExtensions", [])}
    points = {}
    for link_id, source, output, target, slot, _kind in graph["links"]:
        (x, y), (width, _) = nodes[source]["pos"], nodes[source]["size"]
        start = (x + width, y + (output + 0.7) * SLOT)
        (x, y) = nodes[target]["pos"]
        end = (x, y + (slot + 0.7) * SLOT)
        between, key = [], last.get(link_id)
        while key is not None:
            between.insert(0, tuple(reroutes[key]["pos"]))
            key = reroutes[key].get("parentId")
        points[link_id] = [start, *between, end]
    return points


def curve(points):
    """The wire through the points as drawn, [N, 2]: cubic splines that leave and arrive level, turned at reroutes."""
    turns = []
    for before, here, after in zip(points, points[1:], points[2:], strict=False):
        out = math.atan2(after[1] - here[1], after[0] - here[0])
        arriving = math.atan2(here[1] - before[1], here[0] - before[0])
        half = (arriving - out) * 0.5
        if abs(half) > math.pi / 2:
            half += math.pi
        turns.append(arriving - half)
    pieces = []
    for index, (start, end) in enumerate(pairwise(points)):
        start, end = np.array(start, float), np.array(end, float)
        reach = np.linalg.norm(end - start) / 4
        bend = min(MAX_BEND, reach)
        first, last = np.array([reach, 0]), np.array([-reach, 0])
        if index:
            first = bend * np.array([math.cos(turns[index - 1]), math.sin(turns[index - 1])])
        if index < len(turns):
            last = -bend * np.array([math.cos(turns[index]), math.sin(turns[index])])
        t = SAMPLES
        pieces.append(
            (1 - t) ** 3 * start
            + 3 * (1 - t) ** 2 * t * (start + first)
            + 3 * (1 - t) * t**2 * (end + last)
            + t**3 * end
        )
    return np.concatenate(pieces)


def crosses(wire, box, margin=0):
    """Whether the wire [N, 2] passes behind the box, or closer than the margin."""
    left, top, right, bottom = box
    inside = (wire > (left - margin, top - margin)) & (wire < (right + margin, bottom + margin))
    return bool(inside.all(axis=1).any())


def behind_nodes(graph, margin=0):
    """[(link id, node type)]: wires that pass behind a node that they do not belong to, or behind their own ends."""
    found = []
    ends = {link[0]: (link[1], link[3]) for link in graph["links"]}
    for link_id, points in points_of(graph).items():
        wire = curve(points)
        for node in graph["nodes"]:
            own = node["id"] in ends[link_id]
            if crosses(wire, box_of(node), -6 if own else margin):
                found.append((link_id, node["type"]))
    return found
