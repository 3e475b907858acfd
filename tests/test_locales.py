"""Names and tooltips in other languages (``locales/``): complete, in step with the nodes, and translated."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LANGUAGES = ("de", "en", "es", "fr", "ja", "ko", "zh")
SCHEMAS = json.loads((ROOT / "tests" / "comfy" / "schema_snapshot.json").read_text(encoding="utf-8"))
MAIN = {
    folder.name: json.loads((folder / "main.json").read_text(encoding="utf-8"))
    for folder in (ROOT / "locales").iterdir()
}
DEFS = {
    folder.name: json.loads((folder / "nodeDefs.json").read_text(encoding="utf-8"))
    for folder in (ROOT / "locales").iterdir()
}
SAME = {"SMGA Audio2Pose Sampler", "Rhythm Audio2Pose", "Contextual Gesture Sampler", "MMGT Trailing Sigmas"}
FILES = re.compile(r"[\w-]+\.(?:pth|pt|onnx|safetensors|json)|models/\w+", re.ASCII)


def texts_of(defs):
    """(node, place) -> text."""
    for node_id, node in defs.items():
        yield (node_id, "display_name"), node["display_name"]
        yield (node_id, "description"), node["description"]
        for part in ("inputs", "outputs"):
            for name, said in node.get(part, {}).items():
                yield (node_id, part, name), said["tooltip"]


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
        assert len(node.get("outputs", {})) == len(schema["outputs"]), node_id
    assert all(text.strip() for _, text in texts_of(DEFS[language]))


def test_the_english_names_are_the_nodes_own():
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "web" / "docs").glob("*.md")}
    titles = {node_id: page.splitlines()[0].removeprefix("# ") for node_id, page in pages.items()}
    assert titles == {node_id: node["display_name"] for node_id, node in DEFS["en"].items()}


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_texts_are_translated_and_name_the_same_files_and_values(language):
    english = dict(texts_of(DEFS["en"]))
    for place, text in texts_of(DEFS[language]):
        assert text != english[place] or text in SAME, place
        assert set(FILES.findall(text)) == set(FILES.findall(english[place])), place


@pytest.mark.parametrize("language", ["ja", "ko", "zh"])
def test_a_language_is_written_in_its_letters(language):
    letters = {"ja": r"[぀-ヿ一-鿿]", "ko": r"[가-힣]", "zh": r"[一-鿿]"}[language]
    bare = [place for place, text in texts_of(DEFS[language]) if not re.search(letters, text) and text not in SAME]
    assert bare == []
