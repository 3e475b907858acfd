"""A short run of ``python -m tests.fuzz``: the corpus, and some changes of each of its files, the same every time."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.changes import changed
from tests.fuzz.parsers import CORPUS, PARSERS

NUM_CHANGES = {"sound": 15, "video": 8, "picture": 20, "marks": 15, "checkpoint": 25}  # of a file; others: 60
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def seeds_of(name):
    return sorted((CORPUS / name).iterdir())


def test_every_parser_has_a_corpus():
    assert {folder.name for folder in CORPUS.iterdir()} == set(PARSERS)
    assert sum(path.stat().st_size for path in CORPUS.rglob("*")) < 300_000


@pytest.mark.parametrize("name", PARSERS)
def test_what_is_right_is_taken(name):
    """At least one file of each corpus; those named ``bad`` are what fuzzing has found."""
    refused = {path.name: PARSERS[name](path.read_bytes(), path.suffix) for path in seeds_of(name)}
    assert {file for file, sentence in refused.items() if sentence is not None} <= {
        file for file in refused if file.startswith("bad")
    }


@pytest.mark.parametrize("name", PARSERS)
def test_what_is_nearly_right_is_taken_or_refused_in_a_sentence(name):
    parser, draws = PARSERS[name], random.Random(0)
    for path in seeds_of(name):
        for _ in range(NUM_CHANGES.get(name, 60)):
            sentence = parser(changed(path.read_bytes(), draws, parser.is_json), path.suffix)
            assert sentence is None or (len(sentence) > 5 and "\n" not in sentence.strip())


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_any_json_is_refused_in_a_sentence(value):
    content = json.dumps(value).encode()
    for parser in PARSERS.values():
        if parser.is_json:
            parser(content, ".json")
