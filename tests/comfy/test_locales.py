"""What a real ComfyUI hands to the page: ``locales/``, and the help pages in every language."""

import urllib.request
from pathlib import Path

import pytest
from graphs import our_nodes

pytestmark = pytest.mark.comfy


def test_the_page_gets_every_language_and_the_english_texts_are_the_schemas_own(server):
    told = server.get("/i18n")
    assert told.keys() >= {"de", "en", "es", "fr", "ja", "ko", "zh"}
    nodes = our_nodes(server)
    assert all(nodes.keys() <= told[language]["nodeDefs"].keys() for language in told)
    for node_id, info in nodes.items():
        english = told["en"]["nodeDefs"][node_id]
        assert (english["display_name"], english["description"]) == (info["display_name"], info["description"])
        inputs = {**info["input"].get("required", {}), **info["input"].get("optional", {})}
        for name, said in english.get("inputs", {}).items():
            assert said["tooltip"] == inputs[name][1]["tooltip"], (node_id, name)
        assert [said["tooltip"] for said in english.get("outputs", {}).values()] == list(info["output_tooltips"] or ())
        assert [said["name"] for said in english.get("outputs", {}).values()] == info["output_name"]


def test_the_page_gets_the_help_of_a_language_where_it_asks_for_it(server):
    pages = Path(__file__).parents[2] / "docs" / "web" / "docs"
    for path in pages.glob("MMGT_SavePoses/*.md"):
        with urllib.request.urlopen(f"{server.url}/extensions/comfyui-mmgt/docs/MMGT_SavePoses/{path.name}") as page:
            assert page.read() == path.read_bytes()
