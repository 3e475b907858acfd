"""XMP packets: made, read, and what is ours added to one that is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from .. import __version__
from .record import GENERATOR, Provenance, as_json

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
NAMESPACES = {
    "x": "adobe:ns:meta/",
    "rdf": RDF,
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "TC260": "http://www.tc260.org.cn/ns/AIGC/1.0/",
    "mmgt": "https://github.com/comfyui-mmgt/comfyui-mmgt/provenance/1.0/",
}
SOURCE_TYPE, AIGC, RECORD = (
    f"{{{NAMESPACES[prefix]}}}{name}"
    for prefix, name in (("Iptc4xmpExt", "DigitalSourceType"), ("TC260", "AIGC"), ("mmgt", "Record"))
)
BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
END = '<?xpacket end="w"?>'


def packet(provenance: Provenance, there: bytes | None = None) -> bytes:
    """An XMP packet in UTF-8 with a record. there: an earlier packet, of which everything is kept as it is.

    What the earlier one says already (source type, label, ids) is not said again: the first maker's word stays.
    """
    root = None if there is None else _parsed(there)
    if root is None:
        root = ElementTree.Element(f"{{{NAMESPACES['x']}}}xmpmeta")
    rdf = root if root.tag == f"{{{RDF}}}RDF" else root.find(f"{{{RDF}}}RDF")
    if rdf is None:
        rdf = ElementTree.SubElement(root, f"{{{RDF}}}RDF")
    said = properties(there) if there is not None else {}
    description = ElementTree.SubElement(rdf, f"{{{RDF}}}Description", {f"{{{RDF}}}about": ""})
    for name, text in _ours(provenance).items():
        if name == RECORD:
            _remove(rdf, RECORD)
        elif name in said:
            continue
        ElementTree.SubElement(description, name).text = text
    for prefix, namespace in NAMESPACES.items():
        ElementTree.register_namespace(prefix, namespace)
    return f"{BEGIN}\n{ElementTree.tostring(root, encoding='unicode')}\n{END}".encode()


def _ours(provenance: Provenance) -> dict[str, str]:
    values = {
        "Iptc4xmpExt:DigitalSourceType": provenance.source_uri,
        "Iptc4xmpExt:AISystemUsed": GENERATOR,
        "Iptc4xmpExt:AISystemVersionUsed": __version__,
        "TC260:AIGC": as_json(provenance.aigc()),
        "xmp:CreatorTool": f"{GENERATOR} {__version__}",
        "xmp:CreateDate": provenance.made,
        "xmpMM:DocumentID": f"urn:uuid:{provenance.id}",
        "xmpMM:InstanceID": f"urn:uuid:{provenance.id}",
        "mmgt:Record": as_json(provenance.record()),
    }
    return {f"{{{NAMESPACES[name.partition(':')[0]]}}}{name.partition(':')[2]}": text for name, text in values.items()}


def _remove(rdf: ElementTree.Element, name: str) -> None:
    for description in rdf.iter(f"{{{RDF}}}Description"):
        description.attrib.pop(name, None)
        for element in description.findall(name):
            description.remove(element)


def properties(content: bytes) -> dict[str, str]:
    """The simple properties of a packet, "{namespace}name" to text, as elements or as attributes; {} for no XMP."""
    root = _parsed(content)
    found: dict[str, str] = {}
    for description in [] if root is None else root.iter(f"{{{RDF}}}Description"):
        values: Mapping[Any, Any] = description.attrib
        found |= {name: text for name, text in values.items() if not name.startswith(f"{{{RDF}}}")}
        for element in description:
            resource = element.get(f"{{{RDF}}}resource")
            found[element.tag] = resource if resource is not None else (element.text or "").strip()
    return found


def _parsed(content: bytes) -> ElementTree.Element | None:
    """The root of a packet, or None for what is none. XMP has no DTD and no entities: what has some is not read."""
    text = content.decode("utf-8", errors="replace").replace("\ufeff", "").strip("\0 \r\n\t")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return None
