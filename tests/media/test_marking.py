"""Marks in files, by readers of the tests' own: each rule by its name in the list that docs/provenance.md explains."""

import errno
import io
import json
import re
import struct
from xml.etree import ElementTree

import av
import numpy as np
import pytest
from PIL import Image

from mmgt.assets import ASTRONAUT_POSE
from mmgt.errors import InputError
from mmgt.media import mark_file, read_marks, write_png, write_video
from mmgt.pose_files import load_poses, save_poses
from mmgt.provenance import ALGORITHMIC, COMPOSITE_SYNTHETIC, Network, Provenance

MADE = Provenance(
    networks=(Network("mmhaa", "ab" * 32),), seed=7, settings={"steps": 2}, inputs=("x",), made="2026-12-02T00:00:00Z"
)
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
TC260 = "{http://www.tc260.org.cn/ns/AIGC/1.0/}"
XMP, MM = "{http://ns.adobe.com/xap/1.0/}", "{http://ns.adobe.com/xap/1.0/mm/}"
XMP_OF_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv")
# What counts as a declaration of AI: EU-50-2-001.
AI_TYPES = ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "compositeSynthetic")


def boxes(data):
    """[(type, content)] of MP4 boxes."""
    found, at = [], 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        assert 8 <= size <= len(data) - at, "a box that is not whole"
        found.append((kind, data[at + 8 : at + size]))
        at += size
    return found


def inside(data, *kinds):
    for kind in kinds:
        (data,) = (content for found, content in boxes(data) if found == kind)
    return data


def keys_of(path):
    """moov.udta.meta of an MP4: its mdta keys and their texts."""
    meta = inside(path.read_bytes(), b"moov", b"udta", b"meta")[4:]
    keys, values = inside(meta, b"keys")[8:], inside(meta, b"ilst")
    names = [content.decode() for kind, content in boxes(keys) if kind == b"mdta"]
    texts = [content[16:].decode() for _, content in boxes(values)]
    return dict(zip(names, texts, strict=True))


def app1_of(path):
    """The contents of a JPEG's APP1 segments: Pillow reads and writes XMP there from version 11 on."""
    data, at = path.read_bytes(), 2
    while data[at + 1] != 0xDA:  # start of scan
        (size,) = struct.unpack_from(">H", data, at + 2)
        if data[at + 1] == 0xE1:
            yield data[at + 4 : at + 2 + size]
        at += 2 + size


def write_jpeg(path, packet):
    """A picture of 4 x 4 px whose XMP packet is this."""
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "JPEG")
    segment = XMP_OF_JPEG + packet
    app1 = struct.pack(">HH", 0xFFE1, 2 + len(segment)) + segment
    path.write_bytes(buffer.getvalue()[:2] + app1 + buffer.getvalue()[2:])


def xmp_of(path):
    """The XMP packet's properties, by where the specification puts it."""
    if path.suffix == ".png":
        packet = Image.open(path).text["XML:com.adobe.xmp"].encode()
    elif path.suffix == ".webp":
        packet = Image.open(path).info["xmp"]
    elif path.suffix == ".jpg":
        (packet,) = (said.removeprefix(XMP_OF_JPEG) for said in app1_of(path) if said.startswith(XMP_OF_JPEG))
    elif path.suffix == ".mkv":
        with av.open(str(path)) as container:
            packet = container.metadata["XMP"].encode()
    else:
        uuid = bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC")
        (packet,) = (c[16:] for kind, c in boxes(path.read_bytes()) if kind == b"uuid" and c[:16] == uuid)
    root = ElementTree.fromstring(packet.decode().replace("\ufeff", ""))
    return {element.tag: element.text for description in root.iter() for element in description if element.text}


def labels_of(path):
    """Every AIGC label of a file."""
    beside = [keys_of(path)["AIGC"]] if path.suffix in (".mp4", ".m4v", ".mov") else []
    beside += [Image.open(path).text["AIGC"]] if path.suffix == ".png" else []
    return [json.loads(text) for text in (*beside, xmp_of(path)[TC260 + "AIGC"])]


def video(path, provenance=MADE, **more):
    frames = [np.full((64, 48, 3), 9 * t, np.uint8) for t in range(5)]
    write_video(path, frames, 25, provenance=provenance, **more)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("marked")
    made = {suffix: video(folder / f"v{suffix}") for suffix in SUFFIXES}
    made[".png"] = folder / "p.png"
    write_png(made[".png"], np.zeros((8, 9, 3), np.uint8), provenance=MADE)
    for suffix, kind in ((".jpg", "JPEG"), (".webp", "WEBP")):
        made[suffix] = folder / f"p{suffix}"
        Image.new("RGB", (9, 8), "red").save(folder / f"plain{suffix}", kind)
        mark_file(folder / f"plain{suffix}", made[suffix], MADE)
    return made


every_kind = pytest.mark.parametrize("suffix", [*SUFFIXES, ".png", ".jpg", ".webp"])


@every_kind
def test_eu_50_2_001_and_iptc_001_the_source_type_is_a_whole_uri_of_an_ai_type(files, suffix):
    uri = xmp_of(files[suffix])[IPTC + "DigitalSourceType"]
    base, _, word = uri.rpartition("/")
    assert base == "http://cv.iptc.org/newscodes/digitalsourcetype"
    assert word in AI_TYPES
    assert read_marks(files[suffix]).says_generated


@every_kind
def test_cn_45438_the_label_is_there_readable_whole_known_and_one(files, suffix):
    labels = labels_of(files[suffix])  # 001: in moov.udta.meta and in the TC260 namespace; 002: JSON objects
    for label in labels:
        producer = ["Label", "ContentProducer", "ProduceID", "ReservedCode1"]
        assert list(label) == [*producer, "ContentPropagator", "PropagateID", "ReservedCode2"]
        assert label["ContentProducer"]  # 003
        assert label["ProduceID"] == MADE.id
        assert label["Label"] in ("1", "2", "3")  # 004
        assert label == labels[0]  # 005


@every_kind
def test_ca_942_provider_system_version_time_and_id(files, suffix):
    said = xmp_of(files[suffix])
    assert json.loads(said[TC260 + "AIGC"])["ContentProducer"] == "ComfyUI-MMGT"  # 002
    assert said[IPTC + "AISystemUsed"] == "ComfyUI-MMGT"  # 003
    assert re.fullmatch(r"\d+\.\d+\.\d+", said[IPTC + "AISystemVersionUsed"])
    assert said[XMP + "CreateDate"] == "2026-12-02T00:00:00Z"  # 004
    assert said[MM + "InstanceID"] == said[MM + "DocumentID"] == f"urn:uuid:{MADE.id}"  # 005


@every_kind
def test_what_is_read_is_what_was_written(files, suffix):
    marks = read_marks(files[suffix])
    assert marks.record == json.loads(json.dumps(MADE.record()))
    assert marks.aigc == MADE.aigc()
    assert marks.source_uri == MADE.source_uri
    assert marks.unread == ()


@every_kind
def test_diff_a_second_mark_keeps_all_of_the_first(files, suffix, tmp_path):
    out = tmp_path / f"again{suffix}"
    mark_file(files[suffix], out, Provenance(ALGORITHMIC, inputs=("y",)))
    before, after = read_marks(files[suffix]), read_marks(out)
    assert after.source_uri == before.source_uri  # 003, 007
    assert labels_of(out) == labels_of(files[suffix])  # 004, 005
    assert after.record["earlier"] == [before.record]
    assert after.record["digital_source_type"] == before.source_uri
    assert {**after.xmp, "record": ""}.keys() >= before.xmp.keys()
    if suffix in SUFFIXES:
        assert packets(out) == packets(files[suffix])
    else:
        assert np.array_equal(Image.open(out), Image.open(files[suffix]))


def packets(path):
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux() if packet.size]


def test_mark_001_nothing_contradicts(files):
    for path in files.values():
        marks = read_marks(path)
        assert marks.xmp[IPTC + "DigitalSourceType"] == marks.record["digital_source_type"]


def test_marks_last_through_core_s_copy_and_partly_through_a_plain_one(tmp_path):
    """ComfyUI copies texts with use_metadata_tags. ffmpeg's default keeps the comment, from which the type is read."""
    path = video(tmp_path / "v.mp4", Provenance(COMPOSITE_SYNTHETIC, made=MADE.made))
    for flags, is_record_there in (("use_metadata_tags", True), ("faststart", False)):
        copy = tmp_path / f"{flags}.mp4"
        with av.open(str(path)) as source, av.open(str(copy), "w", options={"movflags": flags}) as target:
            target.metadata.update(source.metadata)
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    target.mux(packet)
        marks = read_marks(copy)
        assert marks.says_generated
        assert marks.source_uri.endswith("/compositeSynthetic")
        assert bool(marks.record) == is_record_there
        mark_file(copy, tmp_path / f"{flags}-again.mp4", Provenance())
        assert read_marks(tmp_path / f"{flags}-again.mp4").source_uri.endswith("/compositeSynthetic")


def test_equal_inputs_give_equal_files_and_only_the_time_differs(tmp_path, monkeypatch):
    later = Provenance(**{**MADE.__dict__, "made": "2026-12-02T00:00:01Z"})
    one, same, other = (
        video(tmp_path / f"{number}.mp4", given).read_bytes() for number, given in enumerate((MADE, MADE, later))
    )
    assert one == same
    assert len(one) == len(other)
    assert {a for a, b in zip(one, other, strict=True) if a != b} == {ord("0")}
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1796169600")
    assert Provenance().made == "2026-12-02T00:00:00Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(InputError, match="whole seconds"):
        Provenance()


def test_the_default_is_marked_and_film_is_not(tmp_path):
    assert read_marks(video(tmp_path / "v.mp4", None)).says_generated
    assert not read_marks(video(tmp_path / "w.mp4", None, is_generated=False)).says_generated
    write_png(tmp_path / "p.png", np.zeros((8, 8, 3), np.uint8), is_generated=False)
    assert not read_marks(tmp_path / "p.png").says_generated
    save_poses(load_poses(ASTRONAUT_POSE), tmp_path / "p.json")
    marks = read_marks(tmp_path / "p.json")
    assert marks.says_generated
    assert marks.aigc["ProduceID"] == marks.record["id"]
    assert load_poses(tmp_path / "p.json").num_frames == 1


def test_no_name_of_the_machine_is_in_a_file(tmp_path):
    path = video(tmp_path / "secret.mp4")
    mark_file(path, tmp_path / "copy.mp4", Provenance())
    for written in (path, tmp_path / "copy.mp4"):
        assert b"secret" not in written.read_bytes()
        assert str(tmp_path).encode() not in written.read_bytes()


def test_a_video_that_cannot_be_marked_does_not_appear(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    source = video(tmp_path / "v.mp4")
    monkeypatch.setattr("mmgt.provenance.boxes.append_xmp", full)
    with pytest.raises(InputError, match="free some space"):
        video(tmp_path / "w.mp4")
    with pytest.raises(InputError, match="free some space"):
        mark_file(source, tmp_path / "w.mp4", MADE)
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(
    ("name", "content", "out", "said"),
    [
        ("v.mp4", b"no video at all", "w.mp4", "neither a video"),
        ("v.mp4", b"", "w.mp4", "empty"),
        ("v.mp4", b"no video at all", "w.txt", "must end in one of"),
        ("p.gif", b"no picture", "w.png", "no picture"),
    ],
)
def test_what_cannot_be_marked_is_one_sentence(tmp_path, name, content, out, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        mark_file(tmp_path / name, tmp_path / out, MADE)
    assert not (tmp_path / out).exists()


def test_nothing_is_overwritten_and_kinds_are_kept(tmp_path, files):
    mine = tmp_path / "w.mp4"
    mine.write_text("mine")
    with pytest.raises(InputError, match="not overwritten"):
        mark_file(files[".mp4"], mine, MADE)
    assert mine.read_text() == "mine"
    with pytest.raises(InputError, match="encoding it anew"):
        mark_file(files[".mp4"], tmp_path / "w.webm", MADE)
    with pytest.raises(InputError, match=r"must end in \.jpg"):
        mark_file(files[".jpg"], tmp_path / "w.png", MADE)
    Image.new("RGB", (4, 4), "blue").save(tmp_path / "p.gif")
    mark_file(tmp_path / "p.gif", tmp_path / "p.png", MADE)
    assert Image.open(tmp_path / "p.png").convert("RGB").getpixel((0, 0)) == (0, 0, 255)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.gif", "p.png", "w.mp4"]


def test_foreign_xmp_stays_in_the_packet(tmp_path):
    rdf = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
    theirs = (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {rdf}><rdf:Description rdf:about="" xmlns:p="urn:p#" p:a="1">'
    )
    theirs += "<p:b>two</p:b></rdf:Description></rdf:RDF></x:xmpmeta>"
    write_jpeg(tmp_path / "p.jpg", theirs.encode())
    mark_file(tmp_path / "p.jpg", tmp_path / "q.jpg", MADE)
    said = read_marks(tmp_path / "q.jpg").xmp
    assert (said["{urn:p#}a"], said["{urn:p#}b"]) == ("1", "two")
    assert said[IPTC + "DigitalSourceType"] == MADE.source_uri


@pytest.mark.parametrize("packet", [b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"<not", b"\xff\xfe", b""])
def test_a_packet_that_cannot_be_read_is_said(tmp_path, packet):
    write_jpeg(tmp_path / "p.jpg", packet or b" ")
    marks = read_marks(tmp_path / "p.jpg")
    assert not marks.says_generated
    assert marks.unread == ("XMP",)
