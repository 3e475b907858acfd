"""Signed manifests, read back by the library of C2PA's makers. Skipped only where that is not installed."""

import json
import shutil
from datetime import datetime, timezone

import numpy as np
import pytest
from PIL import Image
from time_stamps import OPENSSL, time_stamp_authority

from mmgt.cli import main
from mmgt.errors import InputError
from mmgt.media import mark_file, read_marks, write_video
from mmgt.provenance import COMPOSITE_WITH_TRAINED, Provenance, content_credentials
from mmgt.provenance.content_credentials import load_credentials, self_signed_credentials

c2pa = pytest.importorskip("c2pa", reason="c2pa-python is not installed (extra `provenance`)")
MADE = Provenance(inputs=("x",))
SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/" + COMPOSITE_WITH_TRAINED


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """An unsigned video, a signed one, and a signed photo."""
    folder = tmp_path_factory.mktemp("signed")
    write_video(folder / "v.mp4", [np.full((64, 64, 3), 9 * t, np.uint8) for t in range(5)], 25, provenance=MADE)
    Image.new("RGB", (64, 64), "red").save(folder / "plain.jpg")
    mark_file(folder / "plain.jpg", folder / "photo.jpg", MADE, self_signed_credentials())
    mark_file(folder / "v.mp4", folder / "signed.mp4", MADE, self_signed_credentials(), (folder / "photo.jpg",))
    return folder


def manifest_of(path):
    told = json.loads(c2pa.Reader(str(path)).json())
    return told, told["manifests"][told["active_manifest"]]


@pytest.mark.parametrize("name", ["signed.mp4", "photo.jpg"])
def test_c2pa_003_004_005_created_with_a_source_type_by_somebody_nobody_knows(files, name):
    told, active = manifest_of(files / name)
    assert {failure["code"] for failure in told["validation_status"]} == {"signingCredential.untrusted"}  # 003
    (actions,) = (a["data"]["actions"] for a in active["assertions"] if a["label"].startswith("c2pa.actions"))
    assert actions[0]["action"] == "c2pa.created"  # 004
    assert actions[0]["digitalSourceType"] == SOURCE  # 005
    assert (actions[0]["when"], actions[0]["softwareAgent"]["version"]) == (MADE.made, "0.1.0")  # CA-942-003, 004
    assert "nobody vouches" in active["signature_info"]["common_name"]


def test_eu_cop_001_the_declaration_is_signed_and_other_marks_stay(files):
    marks = read_marks(files / "signed.mp4")
    assert marks.credentials["state"] == "Valid"
    assert marks.credentials["source_types"] == [SOURCE]
    assert marks.aigc == MADE.aigc()
    assert marks.xmp
    assert marks.says_generated
    assert any(line.startswith("Content Credentials: ") for line in marks.lines())


def test_the_photo_is_an_ingredient_with_its_own_manifest_and_no_picture_of_it(files):
    told, active = manifest_of(files / "signed.mp4")
    (photo,) = active["ingredients"]
    assert photo["relationship"] == "inputTo"
    assert photo["active_manifest"] in told["manifests"]
    assert "thumbnail" not in photo
    assert b"photo.jpg" not in (files / "signed.mp4").read_bytes()


def test_diff_001_002_006_a_further_step_keeps_the_manifest_inside(files, tmp_path):
    with pytest.raises(InputError, match="--self-signed"):
        mark_file(files / "signed.mp4", tmp_path / "w.mp4", MADE)
    assert list(tmp_path.iterdir()) == []
    mark_file(files / "signed.mp4", tmp_path / "w.mp4", MADE, self_signed_credentials())
    _told, active = manifest_of(tmp_path / "w.mp4")
    (before,) = active["ingredients"]
    assert before["relationship"] == "parentOf"
    assert before["active_manifest"] == manifest_of(files / "signed.mp4")[0]["active_manifest"]
    marks = read_marks(tmp_path / "w.mp4")
    assert marks.credentials["actions"][0] == "c2pa.opened"
    assert (marks.credentials["state"], marks.credentials["source_types"]) == ("Valid", [SOURCE])
    with pytest.raises(InputError, match="--self-signed"):
        mark_file(files / "photo.jpg", tmp_path / "q.jpg", MADE)


def test_a_change_after_signing_is_seen(files, tmp_path):
    content = bytearray((files / "signed.mp4").read_bytes())
    content[content.rindex(b"mdat") + 40] ^= 1
    (tmp_path / "v.mp4").write_bytes(content)
    marks = read_marks(tmp_path / "v.mp4")
    assert marks.credentials["state"] == "Invalid"
    assert "assertion.bmffHash.mismatch" in marks.credentials["failures"]


@pytest.mark.parametrize("suffix", [".mov", ".m4v", ".png", ".webp"])
def test_other_kinds_are_signed_too(files, tmp_path, suffix):
    source = files / "v.mp4"
    if suffix in (".png", ".webp"):
        source = tmp_path / f"plain{suffix}"
        Image.new("RGB", (32, 32)).save(source)
    mark_file(source, tmp_path / f"w{suffix}", MADE, self_signed_credentials())
    assert read_marks(tmp_path / f"w{suffix}").credentials["state"] == "Valid"


def test_what_cannot_be_signed_leaves_nothing(files, tmp_path):
    with pytest.raises(InputError, match="cannot be signed"):
        mark_file(files / "v.mp4", tmp_path / "w.mkv", MADE, self_signed_credentials())
    assert list(tmp_path.iterdir()) == []


def test_the_user_s_own_certificate(files, tmp_path, capsys):
    one, other = self_signed_credentials(), self_signed_credentials()
    paths = [tmp_path / name for name in ("c.pem", "k.pem", "other.pem")]
    for path, text in zip(paths, (one.certificates, one.key, other.key), strict=True):
        path.write_bytes(text)
    assert load_credentials(*paths[:2]).algorithm == "es256"
    with pytest.raises(InputError, match="not the key of"):
        load_credentials(paths[0], paths[2])
    with pytest.raises(InputError, match="PEM files"):
        load_credentials(paths[1], paths[1])
    mark = ["provenance", "mark", str(files / "v.mp4"), "--out", str(tmp_path / "w.mp4")]
    assert main([*mark, "--certificate", str(paths[0])]) == 2
    assert main([*mark, "--input", str(files / "photo.jpg")]) == 2
    assert main([*mark, "--certificate", str(paths[0]), "--key", str(paths[1])]) == 0
    assert main(["provenance", "read", str(tmp_path / "w.mp4")]) == 0
    assert "signingCredential.untrusted" in capsys.readouterr().out


def test_without_the_library_it_is_said(files, tmp_path, monkeypatch):
    def missing():
        raise InputError("Content Credentials need c2pa-python")

    monkeypatch.setattr(content_credentials, "import_c2pa", missing)
    shutil.copy(files / "signed.mp4", tmp_path / "v.mp4")
    assert "c2pa-python" in read_marks(tmp_path / "v.mp4").credentials["unread"]
    with pytest.raises(InputError, match="c2pa-python"):
        mark_file(files / "v.mp4", tmp_path / "w.mp4", MADE, self_signed_credentials())


@pytest.mark.skipif(OPENSSL is None, reason="openssl, which answers as the time-stamp authority, is not installed")
def test_eu_cop_002_the_signature_has_a_time_stamp(files, tmp_path, capsys):
    one = self_signed_credentials()
    certificate, key, out = (tmp_path / name for name in ("c.pem", "k.pem", "w.mp4"))
    certificate.write_bytes(one.certificates)
    key.write_bytes(one.key)
    mark = ["provenance", "mark", str(files / "v.mp4"), "--certificate", str(certificate), "--key", str(key)]
    with time_stamp_authority(tmp_path) as (address, asked):
        assert main([*mark, "--out", str(out), "--timestamp", address]) == 0
        assert len(asked) == 1
    credentials = read_marks(out).credentials
    assert credentials["state"] == "Valid"
    seconds = (datetime.now(timezone.utc) - datetime.fromisoformat(credentials["time"])).total_seconds()
    assert -2 <= seconds < 600
    assert read_marks(files / "signed.mp4").credentials["time"] == ""
    assert main([*mark, "--out", str(tmp_path / "x.mp4"), "--timestamp", address]) == 2  # it is gone
    assert "time-stamp address" in capsys.readouterr().err
    assert not (tmp_path / "x.mp4").exists()
