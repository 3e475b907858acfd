"""The house rules of CONTRIBUTING.md and the map of docs/architecture.md, read off the source. Nothing is imported."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_LINES = 500

# The rooms of mmgt/, ground floor first. A room (a folder, or a module beside the folders) imports from floors below
# its own and from nobody beside it, inside functions and for type checkers too.
FLOORS = (
    ("version", "errors", "ops", "colours", "windows", "assets"),
    ("poses", "memory", "seeds", "diffusion", "output_files", "transformer"),
    ("weights",),
    ("speech", "people", "provenance"),  # which takes checksums of networks
    ("media", "openpose", "motion_edit"),
    ("pose_files", "rhythm", "preview", "world", "evaluation"),
    ("detect", "smga", "contextual_gesture", "mmhaa"),  # the networks never import each other
    ("unfinished_run",),
    ("pose_video", "standalone"),
    ("training", "batch"),
    ("bench",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
COMMAND_LINE = {"standalone", "training", "batch", "bench", "commands", "cli", "__main__"}  # nothing of it is a node's

CORE = ("comfy", "comfy_extras", "comfy_execution", "execution", "folder_paths", "latent_preview", "server")
HEAVY = (  # libraries that cost a start a tenth of a second and more: imported by the functions that use them
    *("av", "cv2", "diffusers", "librosa", "matplotlib", "mediapipe", "onnxruntime", "pandas", "ray"),
    *("requests", "scipy", "soxr", "torchmetrics", "torchvision", "tqdm", "transformers", "vector_quantize_pytorch"),
)
DRAWS = ("rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "rand_like", "randn_like")
PRINTERS = ("mmgt/cli.py", "mmgt/commands/")
CACHES = "mmgt/commands/caches.py"  # sets folders for libraries while a command runs, and takes them back
FILE = re.compile(r"\b(?:mmgt|nodes|tests|docs|workflows)/[\w/]+\.(?:py|md|json)")
RUNNERS = ("eval", "exec", "os.system", "pickle.load", "pickle.loads")
MACHINE_PATH = re.compile(r"(?<![\w.~}])/(?:home|root|work|opt|mnt|tmp)/\w+|[A-Z]:\\+Users")
TEXTS = (".py", ".md", ".json", ".toml", ".txt", ".yml", ".yaml", "")


# ---- reading the source

MODULES = {
    path.relative_to(ROOT).as_posix(): path
    for path in sorted((ROOT / "__init__.py", *(ROOT / "mmgt").rglob("*.py"), *(ROOT / "nodes").rglob("*.py")))
}
NAMES = {name.removesuffix(".py").removesuffix("__init__").strip("/").replace("/", "."): name for name in MODULES}
NODE_MODULES = [name for name in MODULES if name.startswith("nodes/")]


@cache
def tree_of(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    """(dotted name, call) of all calls of a module; "" where what is called has none."""
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Call):
            yield dotted(node.func), node


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def given(call: ast.Call, keyword: str) -> ast.expr | None:
    return next((word.value for word in call.keywords if word.arg == keyword), None)


def is_constant(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def imports(name: str, at_start_only: bool = False) -> set[str]:
    """Dotted names of what a module imports, its own packages from the repository's root.

    at_start_only: without imports inside functions and those for type checkers.
    """
    package = name.split("/")[:-1]
    found, waiting = set(), [tree_of(name)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1], *filter(None, [node.module])] if node.level else []
            base = base or (node.module or "").split(".")
            for alias in node.names:
                longer = ".".join((*base, alias.name))
                found.add(longer if longer in NAMES else ".".join(base))
        children = ast.iter_child_nodes(node)
        if at_start_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if at_start_only and isinstance(node, ast.If) and dotted(node.test).endswith("TYPE_CHECKING"):
            continue
        waiting += children
    return found


def room_of(module: str) -> str:
    """The room of a module of mmgt."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "version"


def arrows() -> set[tuple[str, str, str]]:
    """(room, other room that it imports, by which module)."""
    return {
        (room_of(module), room_of(other), name)
        for module, name in NAMES.items()
        if module.split(".")[0] == "mmgt"
        for other in imports(name)
        if other.split(".")[0] == "mmgt" and room_of(other) != room_of(module)
    }


# ---- who imports whom


def test_every_room_has_a_floor():
    rooms = {room_of(module) for module in NAMES if module.split(".")[0] == "mmgt"}
    assert rooms <= FLOOR_OF.keys(), "give the room a floor in FLOORS"


def test_rooms_import_from_floors_below_only():
    upwards = [f"{name} imports {other}" for room, other, name in arrows() if FLOOR_OF[other] >= FLOOR_OF[room]]
    assert sorted(upwards) == []


def test_no_circle_of_modules_at_start():
    """What a module imports when it is imported, and the packages on the way there, never lead back to it."""
    graph = {}
    for module, name in NAMES.items():
        targets = {place for other in imports(name, at_start_only=True) & NAMES.keys() for place in way_to(other)}
        graph[module] = (targets & NAMES.keys()) - way_to(module)
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in done:
            for other in sorted(graph[module]):
                visit(other, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def way_to(module: str) -> set[str]:
    """A module and the packages that it lies in."""
    parts = module.split(".")
    return {".".join(parts[:end]) for end in range(1, len(parts) + 1)}


def test_comfyui_is_known_to_nodes_only_and_core_to_the_seam():
    for name in MODULES:
        roots = {module.split(".")[0] for module in imports(name)}
        assert name.startswith("nodes/") or "comfy_api" not in roots, name
        assert name.startswith("nodes/host/") or not roots & set(CORE), name
        assert not name.startswith("mmgt/") or "nodes" not in roots, name


def test_nodes_lead_to_the_seam_and_to_mmgt():
    for name in NODE_MODULES:
        others = imports(name)
        rooms = {room_of(module) for module in others if module.split(".")[0] == "mmgt"}
        assert not rooms & COMMAND_LINE, name
        own = [module for module in others if module.split(".")[0] == "nodes"]
        assert not name.startswith("nodes/host/") or all(module.startswith("nodes.host") for module in own), name


def test_heavy_libraries_are_imported_where_they_are_used():
    early = {
        name: {other.split(".")[0] for other in imports(name, at_start_only=True)} & set(HEAVY) for name in MODULES
    }
    assert {name: found for name, found in early.items() if found} == {}


# ---- what no module does


def test_no_banned_call():
    found = [
        f"{name}:{call.lineno}: {why}"
        for name in MODULES
        for function, call in calls(name)
        if (why := banned(name, function, call)) is not None
    ]
    assert found == []


def banned(name: str, function: str, call: ast.Call) -> str | None:
    """What is wrong with a call, or None."""
    last = function.rpartition(".")[2]
    if function == "torch.load" and not is_constant(given(call, "weights_only"), True):
        return "torch.load without weights_only=True runs code of the file"
    if last != "zip" and is_constant(given(call, "strict"), False):
        return "strict=False hides keys that do not fit: weights.load_strictly"
    if last == "cuda":
        return "the device is the caller's: .to(device)"
    if function in ("print", "logging.basicConfig") and not name.startswith(PRINTERS):
        return "terminal output belongs to the command line: logging.getLogger('mmgt')"
    if function in RUNNERS or is_constant(given(call, "shell"), True):
        return "runs what others wrote"
    if re.match(r"(sys\.path|os\.environ)\.\w|os\.putenv", function) and last not in ("get", "keys"):
        return None if name == CACHES else "changes the process"
    if function.startswith("torch.") and last in DRAWS and given(call, "generator") is None:
        return None if name.startswith("mmgt/bench/") else "draws without a generator: every draw takes a seed"
    if re.match(r"(np|numpy)\.random\.(?!default_rng|SeedSequence|Generator)", function):
        return "draws from the process's own generator: np.random.default_rng(seed)"
    return None


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "net.load_state_dict(tensors, strict=False)",
        "make().cuda()",
        "print(1)",
        "os.environ.setdefault('A', 'b')",
        "sys.path.insert(0, 'x')",
        "torch.randn(3)",
        "np.random.rand(3)",
        "subprocess.run('ls', shell=True)",
        "pickle.load(file)",
    ],
)
def test_a_banned_call_is_seen(source):
    call = ast.parse(source, mode="eval").body
    assert banned("mmgt/poses.py", dotted(call.func), call)


def test_no_bare_except_and_no_write_to_the_environment():
    for name in MODULES:
        for node in ast.walk(tree_of(name)):
            assert not (isinstance(node, ast.ExceptHandler) and node.type is None), f"{name}:{node.lineno}"
            written = [dotted(target.value) for target in assigned(node) if isinstance(target, ast.Subscript)]
            assert "os.environ" not in written, f"{name}:{node.lineno}"


def assigned(node: ast.AST) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign | ast.Delete) else []


def test_modules_stay_readable():
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name: number for name, number in lines.items() if number >= MAX_LINES} == {}


def test_no_path_of_one_machine():
    folders = ("mmgt", "nodes", "tests", "docs", "workflows", ".github", ".ci")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    paths = [
        path for path in (*ROOT.iterdir(), *paths) if path.name != ".git" and path.suffix in TEXTS and path.is_file()
    ]
    found = {str(path.relative_to(ROOT)): MACHINE_PATH.findall(path.read_text(encoding="utf-8")) for path in paths}
    assert {name: places for name, places in found.items() if places} == {}


def test_ranges_of_the_skeleton_are_not_retyped():
    ranges = {
        tuple(end.value for end in node.args)
        for function, node in calls("mmgt/poses/skeleton.py")
        if function == "range" and len(node.args) == 2 and all(isinstance(end, ast.Constant) for end in node.args)
    }
    assert (24, 92) in ranges
    retyped = [
        f"{name}:{node.lineno}"
        for name in MODULES
        if name != "mmgt/poses/skeleton.py"
        for node in ast.walk(tree_of(name))
        if bounds(node) in ranges
    ]
    assert retyped == []


def bounds(node: ast.AST) -> tuple[object, ...]:
    """The two constants of a slice or a range."""
    ends = node.args if isinstance(node, ast.Call) and dotted(node.func) == "range" else ()
    ends = (node.lower, node.upper) if isinstance(node, ast.Slice) else ends
    return tuple(end.value for end in ends if isinstance(end, ast.Constant))


def test_files_that_the_words_name_are_there():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    named = {(page, name) for page in pages for name in FILE.findall(page.read_text(encoding="utf-8"))}
    assert sorted(f"{page.name}: {name}" for page, name in named if not (ROOT / name).exists()) == []


# ---- nodes: documented, in a graph, every input with a tooltip


def node_names() -> dict[str, str]:
    """Node id -> display name, of all schemas."""
    found = {}
    for name in NODE_MODULES:
        for _function, call in calls(name):
            node_id, shown = given(call, "node_id"), given(call, "display_name")
            if isinstance(node_id, ast.Constant) and isinstance(shown, ast.Constant):
                found[node_id.value] = shown.value
    return found


def test_every_node_has_a_help_page_and_every_page_a_node():
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "web" / "docs").glob("*.md")}
    titles = {node_id: page.splitlines()[0] for node_id, page in pages.items()}
    assert titles == {node_id: f"# {shown}" for node_id, shown in node_names().items()}


def test_every_node_is_in_a_graph_and_in_the_snapshot():
    graphs = [json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "workflows").glob("*.json")]
    in_graphs = {node["type"] for graph in graphs for node in graph["nodes"]}
    snapshot = json.loads((ROOT / "tests" / "comfy" / "schema_snapshot.json").read_text(encoding="utf-8"))
    assert node_names().keys() - in_graphs == set()
    assert node_names().keys() == snapshot.keys()


def test_every_input_and_output_has_a_tooltip():
    bare = [
        f"{name}:{call.lineno}: {ast.unparse(call)[:80]}"
        for name in NODE_MODULES
        for function, call in calls(name)
        if re.search(r"\.(In|Out)put$", function) and given(call, "tooltip") is None
    ]
    assert bare == []


def test_every_socket_of_ours_has_a_colour_of_its_own():
    """Core's palettes name core's types only; what they do not name is one grey. ``docs/web/colours.js`` adds ours."""
    sockets = re.findall(r'io\.Custom\("(\w+)"\)', (ROOT / "nodes" / "sockets.py").read_text())
    text = (ROOT / "docs" / "web" / "colours.js").read_text()
    colours = dict(re.findall(r'^  "?([A-Z_,0-9]+)"?: (POSES|"#[0-9a-f]{6}"),', text, re.MULTILINE))
    assert set(sockets) <= set(colours)
    assert len({colours[socket] for socket in sockets}) == len(sockets) >= 6
    assert f"{sockets[0]},POSE_KEYPOINT" in colours  # the page's name for an input that takes both
