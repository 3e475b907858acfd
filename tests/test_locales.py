"""Names, tooltips (``locales/``) and help pages in other languages: complete, in step with the English, translated.

ComfyUI's page asks for the help in ``docs/<node id>/<language>.md``, else takes the English ``docs/<node id>.md``. It
looks for a page's picture from ``docs``, in every language.
"""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
LANGUAGES = ("de", "en", "es", "fr", "ja", "ko", "zh")
TRANSLATED = tuple(language for language in LANGUAGES if language != "en")
SCHEMAS = json.loads((ROOT / "tests" / "comfy" / "schema_snapshot.json").read_text(encoding="utf-8"))
MAIN = {
    folder.name: json.loads((folder / "main.json").read_text(encoding="utf-8"))
    for folder in (ROOT / "locales").iterdir()
}
DEFS = {
    folder.name: json.loads((folder / "nodeDefs.json").read_text(encoding="utf-8"))
    for folder in (ROOT / "locales").iterdir()
}
HELP = ROOT / "docs" / "web" / "docs"
ENGLISH_PAGES = {path.stem: path.read_text(encoding="utf-8") for path in HELP.glob("*.md")}
PAGES = {
    (path.parent.name, path.stem): path.read_text(encoding="utf-8") for path in HELP.glob("*/*.md")
}  # (node id, language) -> text
SAME = {"SMGA Audio2Pose Sampler", "Rhythm Audio2Pose", "Contextual Gesture Sampler", "MMGT Trailing Sigmas"}
FILES = re.compile(r"[\w-]+\.(?:pth|pt|onnx|safetensors|json)|models/\w+", re.ASCII)
NUMBER = re.compile(r"(?<![A-Za-z0-9_])[0-9]+(?:[.,][0-9]+)*(?![A-Za-z0-9_])")
INPUT_ID = re.compile(r"(?<![\w.])[a-z0-9]+(?:_[a-z0-9]+)+(?![\w.]*\w)", re.ASCII)
SPELLED = {  # numbers that English spells out and other languages may write as digits
    "1": r"an?|each|I|one|quarter|third|twentieth",
    "2": r"II|second|twice|two",
    "3": r"third|three",
    "4": r"four|quarter",
    "5": r"five",
    "20": r"twentieth",
}
CORE = {  # how ComfyUI shows nodes of its own, where it has the language
    "es": {
        "Create Video": "Crear video",
        "Load Audio": "CargarAudio",
        "Load Image": "Cargar Imagen",
        "Load VAE": "Cargar VAE",
        "Save Video": "Guardar video",
    },
    "fr": {
        "Create Video": "Créer une vidéo",
        "Load Audio": "ChargerAudio",
        "Load Image": "Charger Image",
        "Load VAE": "Charger VAE",
        "Save Video": "Enregistrer la vidéo",
    },
    "ja": {
        "Create Video": "動画を作成",
        "Load Audio": "音声を読み込む",
        "Load Image": "画像を読み込む",
        "Load VAE": "VAEを読み込む",
        "Save Video": "ビデオを保存",
    },
    "ko": {
        "Create Video": "비디오 생성",
        "Load Audio": "오디오 로드",
        "Load Image": "이미지 로드",
        "Load VAE": "VAE 로드",
        "Save Video": "비디오 저장",
    },
    "zh": {
        "Create Video": "创建视频",
        "Load Audio": "加载音频",
        "Load Image": "加载图像",
        "Load VAE": "加载VAE",
        "Save Video": "保存视频",
    },
}
LETTERS = {"ja": r"[぀-ヿ一-鿿]", "ko": r"[가-힣]", "zh": r"[一-鿿]"}


def texts_of(defs):
    """(node, place) -> text."""
    for node_id, node in defs.items():
        yield (node_id, "display_name"), node["display_name"]
        yield (node_id, "description"), node["description"]
        for part in ("inputs", "outputs"):
            for name, said in node.get(part, {}).items():
                yield (node_id, part, name), said["tooltip"]


def names_of(node_id, language):
    """The names of a node's inputs and outputs in English, which are their ids, -> those in the language."""
    names = {}
    for part in ("inputs", "outputs"):
        for key, english in DEFS["en"][node_id].get(part, {}).items():
            names[english["name"]] = DEFS[language][node_id][part][key]["name"]
    return names


def ids_left_in(text, node_id, language):
    """Ids of inputs that the text names although the page shows another name."""
    return [found for found in INPUT_ID.findall(text) if names_of(node_id, language).get(found, found) != found]


def test_all_languages_are_there():
    assert tuple(sorted(DEFS)) == LANGUAGES
    folders = {
        re.search(r'category="MMGT/(\w+)"', path.read_text(encoding="utf-8")) for path in (ROOT / "nodes").glob("*.py")
    }
    ours = {found[1] for found in folders if found} - {"audio", "video", "mask"}  # which core has
    assert all(main["nodeCategories"].keys() >= ours for main in MAIN.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_node_input_and_output_has_an_entry(language):
    assert DEFS[language].keys() == SCHEMAS.keys()
    for node_id, schema in SCHEMAS.items():
        node = DEFS[language][node_id]
        assert node.get("inputs", {}).keys() == {name for name, _ in schema["inputs"]}, node_id
        assert list(node.get("outputs", {})) == [str(index) for index in range(len(schema["outputs"]))], node_id
    assert all(text.strip() for _, text in texts_of(DEFS[language]))


def test_the_english_names_are_the_nodes_own():
    titles = {node_id: page.splitlines()[0].removeprefix("# ") for node_id, page in ENGLISH_PAGES.items()}
    assert titles == {node_id: node["display_name"] for node_id, node in DEFS["en"].items()}
    for node_id, node in DEFS["en"].items():
        assert {name: said["name"] for name, said in node.get("inputs", {}).items()} == {
            name: name for name, _ in SCHEMAS[node_id]["inputs"]
        }


@pytest.mark.parametrize("language", TRANSLATED)
def test_texts_are_translated_and_name_the_same_files_and_values(language):
    english = dict(texts_of(DEFS["en"]))
    for place, text in texts_of(DEFS[language]):
        assert text != english[place] or text in SAME, place
        assert set(FILES.findall(text)) == set(FILES.findall(english[place])), place
        assert ids_left_in(text, place[0], language) == [], place
        assert [name for name in CORE.get(language, {}) if name in text] == [], place


@pytest.mark.parametrize("language", TRANSLATED)
def test_inputs_and_outputs_have_a_name_and_each_its_own(language):
    """What the page writes beside a socket or in a widget: one word for one thing, in all nodes."""
    parts = [
        (node_id, part, node.get(part, {}))
        for node_id, node in DEFS[language].items()
        for part in ("inputs", "outputs")
    ]
    bare = [(node_id, key) for node_id, _, said in parts for key in said if not said[key].get("name", "").strip()]
    assert bare == []
    for node_id, part, said in parts:
        names = [entry["name"] for entry in said.values()]
        assert len(set(names)) == len(names), (node_id, part)
    words = {}
    for node_id in DEFS["en"]:
        for english, name in names_of(node_id, language).items():
            words.setdefault(english, set()).add(name)
    assert {english: names for english, names in words.items() if len(names) > 1} == {}


@pytest.mark.parametrize("language", LETTERS)
def test_a_language_is_written_in_its_letters(language):
    letters = LETTERS[language]
    bare = [place for place, text in texts_of(DEFS[language]) if not re.search(letters, text) and text not in SAME]
    assert bare == []


# ---- help pages


def test_every_help_page_is_there_in_every_language():
    assert PAGES.keys() == {(node_id, language) for node_id in ENGLISH_PAGES for language in TRANSLATED}


def blocks_of(page):
    return re.split(r"\n\s*\n", page.strip())


def is_picture(block):
    return block.startswith("![")


@pytest.mark.parametrize("node_id", sorted(ENGLISH_PAGES))
def test_a_help_page_shows_its_node_below_its_first_paragraph(node_id):
    pages = {"en": ENGLISH_PAGES[node_id], **{language: PAGES[node_id, language] for language in TRANSLATED}}
    for language, page in pages.items():
        pictures = [(place, block) for place, block in enumerate(blocks_of(page)) if is_picture(block)]
        shown = f"![{DEFS[language][node_id]['display_name']}](pictures/{node_id}.webp)"
        assert pictures == [(2, shown)], language
    with Image.open(HELP / "pictures" / f"{node_id}.webp") as picture:
        picture.load()
        assert picture.format == "WEBP"
        assert max(picture.size) < 1000


def test_every_picture_of_the_help_is_a_nodes():
    pictures = list((HELP / "pictures").iterdir())
    assert {path.name for path in pictures} == {f"{node_id}.webp" for node_id in ENGLISH_PAGES}
    assert sum(path.stat().st_size for path in pictures) < 1_000_000  # bytes that every clone fetches


def outline_of(page):
    """What a page is built of, block by block: headings, paragraphs, items of lists, and tables as rows by columns."""
    blocks = []
    for block in blocks_of(page):
        lines = block.splitlines()
        if lines[0].startswith("|"):
            blocks.append([line.count("|") for line in lines])
        elif lines[0].startswith("- "):
            blocks.append(["-"] * sum(line.startswith("- ") for line in lines))
        else:
            blocks.append(re.match(r"#* ?", lines[0])[0] or "text")
    return blocks


def first_cells_of(page):
    """(title of the column, cell) of the first column of all tables, without the titles themselves."""
    title = None
    for line in page.splitlines():
        cell = line.split("|")[1].strip() if line.startswith("|") else None
        if cell is None or set(cell) == {"-"}:
            title = title if cell else None
        elif title is None:
            title = cell
        else:
            yield title, cell


def marked_in(page):
    """What must be the same but for the names of nodes, inputs and outputs: kind -> how often each is there."""
    prose = re.sub(r"`[^`]*`", "``", page)
    plain = re.sub(r"\*\*[^*]+\*\*", "", prose)
    return {
        "code": Counter(re.findall(r"`([^`]+)`", page)),
        "quoted": Counter(re.findall(r'"([^"]+)"', page)),
        "links and pictures": Counter(re.findall(r"\]\(([^)]*)\)", page)),
        "numbers": Counter(number.replace(",", ".") for number in NUMBER.findall(prose)),
        "bold": Counter({"**": len(re.findall(r"\*\*[^*]+\*\*", prose))}),
        "names": Counter(" ".join(name.split()) for name in re.findall(r"\*([^*]+)\*", plain)),
    }


@pytest.mark.parametrize(("node_id", "language"), sorted(PAGES))
def test_a_help_page_says_what_the_english_one_says(node_id, language):
    """The same blocks, rows, values, numbers, links; every node, input and output by the name that the page shows."""
    english, page = ENGLISH_PAGES[node_id], PAGES[node_id, language]
    names = names_of(node_id, language)
    nodes = {DEFS["en"][node]["display_name"]: DEFS[language][node]["display_name"] for node in DEFS["en"]}
    shown = {**names, **nodes, **CORE.get(language, {})}
    assert page.splitlines()[0] == f"# {DEFS[language][node_id]['display_name']}"
    assert outline_of(page) == outline_of(english)
    expected, found = marked_in(english), marked_in(page)
    expected["names"] = Counter(shown.get(name, name) for name in expected["names"].elements())
    for number in found["numbers"] - expected["numbers"]:
        if re.search(rf"\b(?:{SPELLED.get(number, '(?!)')})\b", english):
            found["numbers"][number] = expected["numbers"][number]
    for kind, counts in expected.items():
        assert +found[kind] == counts, kind
    for (title, before), (_, cell) in zip(first_cells_of(english), first_cells_of(page), strict=True):
        if title in ("Input", "Output"):
            before = re.sub(r"\w+", lambda word: names.get(word[0], word[0]), before)
        assert cell == before
    assert ids_left_in(re.sub(r"`[^`]*`", "", page), node_id, language) == []
    words = [block for block in blocks_of(page)[1:] if not is_picture(block)]
    long_lines = {line for block in words for line in block.splitlines() if len(line) > 40}
    assert long_lines & set(english.splitlines()) == set()
    if language in LETTERS:
        assert all(re.search(LETTERS[language], block) for block in words)
