import errno
import os
import random
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from server import Site, running, running_proxy

from mmgt.errors import InputError
from mmgt.weights import download as module
from mmgt.weights.download import download, hub_address, mirrored

CONTENT = random.Random(0).randbytes(300_000)
VARIABLES = ("HF_ENDPOINT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in (*VARIABLES, *PROXIES, *map(str.upper, PROXIES)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module, "RETRY_WAIT_S", 0.0)
    monkeypatch.setattr(module, "CHUNK_BYTES", 10_000)  # what is lost of the last chunk when it breaks


@pytest.fixture
def target(tmp_path):
    return tmp_path / "models" / "mmgt" / "net.pth"


@contextmanager
def hub(site):
    """Hugging Face's mirror on this machine; yields the address of a file there."""
    with running(site), pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", site.url)
        yield hub_address("a/b", "stage_2/net.pth")


def names(target):
    return sorted(path.name for path in target.parent.iterdir() if not path.name.endswith(".lock"))


@pytest.mark.parametrize("linked", [False, True], ids=["direct", "redirected"])
def test_a_file_of_the_hub_arrives_whole_and_checked(target, linked):
    steps = []
    with hub(Site(CONTENT, linked=linked)) as address:
        assert download(address, target, lambda *step: steps.append(step)) == "size and sha256 as announced"
        assert download(address, target) == "there already"
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["net.pth"]
    assert steps[-1] == (len(CONTENT), len(CONTENT))


def test_a_file_from_elsewhere_arrives_whole_and_checked(target):
    steps = []
    with running(Site(CONTENT)) as site:
        address = f"{site.url}/net.pth"
        assert download(address, target, lambda *step: steps.append(step)) == "size and sha256 as announced"
        assert download(address, target) == "there already"
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["net.pth"]
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    assert site.ranges == [None, None]  # one looks what there is


@pytest.mark.parametrize("linked", [False, True], ids=["direct", "redirected"])
def test_a_cut_connection_is_resumed(target, linked):
    site = Site(CONTENT, linked=linked, cuts=[100_000, 50_000])
    with hub(site) as address:
        download(address, target)
    assert target.read_bytes() == CONTENT
    assert site.ranges == [None, "bytes=100000-", "bytes=150000-"]


def test_a_server_that_cannot_begin_in_the_middle_is_asked_for_all_again(target):
    site = Site(CONTENT, cuts=[100_000], has_ranges=False)
    with hub(site) as address:
        download(address, target)
    assert target.read_bytes() == CONTENT
    assert site.ranges == [None, "bytes=100000-"]


def test_a_later_call_goes_on_where_the_first_gave_up(target):
    site = Site(CONTENT, cuts=[100_000, *[0] * 9])
    with hub(site) as address:
        with pytest.raises(InputError, match=r"the first 100 kB are kept, and the same command goes on") as error:
            download(address, target)
        assert str(target.parent) in str(error.value)
        assert address in str(error.value)
        assert not target.exists()
        site.cuts.clear()
        download(address, target)
    assert target.read_bytes() == CONTENT
    assert site.ranges[-1] == "bytes=100000-"
    assert names(target) == ["net.pth"]


@pytest.mark.parametrize("new", [CONTENT[::-1], CONTENT[:50_000]], ids=["as long", "shorter"])
def test_parts_of_two_versions_are_never_joined(target, new):
    site = Site(CONTENT, cuts=[100_000, *[0] * 9])
    with hub(site) as address:
        with pytest.raises(InputError):
            download(address, target)
        site.content = new
        site.cuts.clear()
        download(address, target)
    assert target.read_bytes() == new
    assert names(target) == ["net.pth"]


def test_a_download_from_elsewhere_is_resumed_too(target):
    with running(Site(CONTENT, cuts=[0, 100_000])) as site:
        download(f"{site.url}/net.pth", target)
    assert target.read_bytes() == CONTENT
    assert site.ranges == [None, None, "bytes=100000-"]


def test_a_finished_part_needs_no_more_bytes(target):
    site = Site(CONTENT, cuts=[100_000, *[0] * 9])
    with hub(site) as address:
        with pytest.raises(InputError):
            download(address, target)
        (part,) = target.parent.glob("*.part")
        part.write_bytes(CONTENT)  # as if stopped between the last byte and the check
        site.requests.clear()
        download(address, target)
    assert target.read_bytes() == CONTENT
    assert site.requests == []


@pytest.mark.parametrize(
    ("site", "says"),
    [
        (Site(CONTENT, etag="0" * 64), "wrong checksum .* and was thrown away"),
        (Site(b"<!doctype html><html>log in to this WiFi", etag=None), "is a web page"),
        (Site(b"version https://git-lfs.github.com/spec/v1\n", etag=None), "git-lfs pointer"),
        (Site(b"", etag=None), "is empty"),
    ],
    ids=["sha256", "page", "lfs", "empty"],
)
def test_wrong_content_is_thrown_away(target, site, says):
    with running(site), pytest.raises(InputError, match=says) as error:
        download(f"{site.url}/net.pth", target)
    assert str(target.parent) in str(error.value)
    assert names(target) == []


@pytest.mark.parametrize(
    ("announced", "says"), [(200_000, "has 300000 bytes, but its server announced 200000"), (400_000, "answers 416")]
)
def test_wrong_content_of_the_hub_is_thrown_away(target, announced, says):
    with hub(Site(CONTENT, etag="0" * 64, linked=True)) as address, pytest.raises(InputError, match="wrong checksum"):
        download(address, target)
    assert names(target) == []
    site = Site(CONTENT, linked=True, announced=announced)
    with hub(site) as address, pytest.raises(InputError, match=says):
        download(address, target)
    assert names(target) == []


def test_a_shorter_file_than_announced_is_never_published(target):
    with running(Site(CONTENT, announced=400_000)) as site, pytest.raises(InputError, match="answers 416"):
        download(f"{site.url}/net.pth", target)
    assert names(target) == []


def test_what_cannot_be_checked_is_not_fetched(target):
    with running(Site(CONTENT, etag=None, has_length=False)) as site, pytest.raises(InputError, match="without size"):
        download(f"{site.url}/net.pth", target)
    assert names(target) == []


@pytest.mark.parametrize(
    ("status", "says"),
    [(401, "set HF_TOKEN"), (403, "accept its terms"), (404, "there is no such file"), (410, "it cannot be had")],
)
def test_an_error_answer_is_a_sentence_at_once(target, status, says):
    with running(Site(CONTENT, statuses=[status] * 9)) as site, pytest.raises(InputError, match=says) as error:
        download(f"{site.url}/net.pth", target)
    for word in (str(status), f"{site.url}/net.pth", str(target.parent), target.name):
        assert word in str(error.value)
    assert len(site.requests) == 1
    assert names(target) == []


def test_an_error_that_may_pass_is_waited_for(target):
    with hub(Site(CONTENT, statuses=[503, 429, 500])) as address:
        download(address, target)
    assert target.read_bytes() == CONTENT


def test_nobody_there_is_a_sentence(target):
    with pytest.raises(InputError, match="Connection refused") as error:
        download("http://127.0.0.1:9/net.pth", target)
    assert str(target.parent) in str(error.value)


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_variables_are_honoured(target, monkeypatch, variable):
    monkeypatch.setenv(variable, "1")
    with running(Site(CONTENT)) as site, pytest.raises(InputError, match="HF_HUB_OFFLINE") as error:
        download(f"{site.url}/net.pth", target)
    assert site.requests == []
    assert f"{site.url}/net.pth" in str(error.value)
    assert str(target.parent) in str(error.value)
    assert not target.parent.exists()


def test_the_mirror_variable_is_honoured(monkeypatch):
    assert hub_address("a/b", "c/d.pt") == "https://huggingface.co/a/b/resolve/main/c/d.pt"
    shown = "https://huggingface.co/a/b/blob/main/c.pt"
    assert mirrored(shown) == "https://huggingface.co/a/b/resolve/main/c.pt"
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror.example/")
    assert hub_address("a/b", "c/d.pt") == "http://mirror.example/a/b/resolve/main/c/d.pt"
    assert mirrored(shown) == "http://mirror.example/a/b/resolve/main/c.pt"
    assert mirrored("https://elsewhere.example/blob/c.pt") == "https://elsewhere.example/blob/c.pt"


def test_the_token_goes_to_the_endpoint_only(target, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    with running(Site(CONTENT, linked=True)) as site:
        monkeypatch.setenv("HF_ENDPOINT", site.url)
        download(hub_address("a/b", "net.pth"), target)
        assert {headers.get("Authorization") for _, headers in site.heads} == {"Bearer secret"}
        assert [headers.get("Authorization") for path, headers in site.requests if "/cdn/" in path] == [None]
        target.unlink()
        site.requests.clear()
        monkeypatch.setenv("HF_ENDPOINT", "http://mirror.example")
        download(f"{site.url}/net.pth", target)
        assert {headers.get("Authorization") for _, headers in site.requests} == {None}


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_proxy_variables_are_honoured(target, monkeypatch, variable):
    seen = []
    with running(Site(CONTENT)) as site, running_proxy(seen) as proxy:
        monkeypatch.setenv(variable, proxy)
        download(f"{site.url}/net.pth", target)
        assert seen == [f"{site.url}/net.pth"] * 2  # what there is, and its bytes
        target.unlink()
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        download(f"{site.url}/net.pth", target)
    assert len(seen) == 2
    assert target.read_bytes() == CONTENT


def test_a_dead_proxy_is_named_as_the_cause(target, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="the proxy does not work"):
        download("http://files.example/net.pth", target)


def test_a_full_disk_is_said_before_the_download(target, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with running(Site(CONTENT)) as site, pytest.raises(InputError, match=r"needs 300 kB more.*only 1 kB left"):
        download(f"{site.url}/net.pth", target)
    assert names(target) == []


def test_a_disk_that_fills_up_is_a_sentence(target, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module._Part, "write", full)
    with hub(Site(CONTENT)) as address, pytest.raises(InputError, match=r"the disk of .* is full\. Make room") as error:
        download(address, target)
    assert str(target.parent) in str(error.value)
    assert not target.exists()


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "models").write_text("a file where the folder should be")
    with pytest.raises(InputError, match="cannot be written") as error:
        download("http://127.0.0.1:9/net.pth", tmp_path / "models" / "net.pth")
    assert "http://127.0.0.1:9/net.pth" in str(error.value)


def test_a_file_of_the_user_is_never_replaced(target):
    target.parent.mkdir(parents=True)
    target.write_text("mine")
    with running(Site(CONTENT)) as site:
        assert download(f"{site.url}/net.pth", target) == "there already"
    assert (target.read_text(), site.requests) == ("mine", [])


def test_one_that_appears_meanwhile_is_not_replaced_either(target):
    def appear(step, total):
        target.write_text("mine")

    with running(Site(CONTENT)) as site, pytest.raises(InputError, match="exists already and is not overwritten"):
        download(f"{site.url}/net.pth", target, appear)
    assert target.read_text() == "mine"


FETCH = """
import sys
from contextlib import contextmanager
from pathlib import Path
from mmgt.weights.download import download
print(download(sys.argv[1], Path(sys.argv[2])))
"""


def test_two_processes_fetch_it_once(target):
    site = Site(CONTENT, seconds=3.0)
    with hub(site) as address:
        command = [sys.executable, "-c", FETCH, address, str(target)]
        environment = {**os.environ, "PYTHONPATH": str(Path(module.__file__).parents[2])}
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) for _ in range(2)]
        said = [process.communicate(timeout=120)[0].strip() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(said) == ["size and sha256 as announced", "there already"]
    assert target.read_bytes() == CONTENT
    assert [path for path, _ in site.requests if path.endswith(target.name)] == ["/a/b/resolve/main/stage_2/net.pth"]
    assert [path.name for path in target.parent.iterdir()] == ["net.pth"]
