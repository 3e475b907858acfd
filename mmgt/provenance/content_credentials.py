"""Content Credentials (C2PA): a signed manifest, by the library of its makers (``pip install c2pa-python``).

A file is signed last: every later change of it breaks the signature.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import InputError
from .record import GENERATOR, Provenance

C2PA_UUID = bytes.fromhex("D8FEC3D61B0E483C92975828877EC481")  # of the box that holds a manifest in an MP4
INSTALL = "run `pip install 'c2pa-python>=0.38'` (it is mmgt's extra `provenance`)"
SELF_SIGNED = "self-signed by ComfyUI-MMGT, nobody vouches"  # what a reader shows as the signer
SELF_SIGNED_DAYS = 365
PARENT = "parent"  # by which the first action names the file that it opened
# The library asks nobody when it reads, and puts no small picture of the input into what it signs.
SETTINGS = {"verify": {"remote_manifest_fetch": False}, "builder": {"thumbnail": {"enabled": False}}}


@dataclass(frozen=True)
class Credentials:
    """Who signs. certificates: PEM, the signer's first, then those that vouch for it. key: PEM, without a password.

    algorithm: of C2PA, by the key. timestamp_url: of a time-stamp authority (RFC 3161), asked when signing.
    """

    certificates: bytes
    key: bytes
    algorithm: str
    timestamp_url: str | None = None


def import_c2pa() -> Any:
    """The library, or an InputError that says how to get it."""
    try:
        import c2pa
    except ImportError as error:
        raise InputError(f"Content Credentials need c2pa-python, which is not installed; {INSTALL}.") from error
    return c2pa


def load_credentials(certificates: Path, key: Path, timestamp_url: str | None = None) -> Credentials:
    """The user's own, from PEM files. Raises InputError for what is none."""
    import_c2pa()
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificates

    texts = []
    for path, kind in ((certificates, "certificate"), (key, "key")):
        try:
            texts.append(path.read_bytes())
        except OSError as error:
            raise InputError(f"the {kind} {path} cannot be read ({error.strerror}); give a PEM file.") from error
    try:
        signer = load_pem_x509_certificates(texts[0])[0]
        private = load_pem_private_key(texts[1], None)
    except (ValueError, TypeError) as error:  # TypeError: a key with a password
        raise InputError(
            f"{certificates} and {key} cannot be used ({error}); give PEM files: certificates, the signer's first, and "
            "its key without a password."
        ) from error
    if signer.public_key() != private.public_key():
        raise InputError(f"{key} is not the key of the first certificate in {certificates}; give the two that belong.")
    return Credentials(texts[0], texts[1], _algorithm_of(private), timestamp_url)


def _algorithm_of(key: Any) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size in (256, 384, 521):
        return {256: "es256", 384: "es384", 521: "es512"}[key.curve.key_size]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    raise InputError("the key is of a kind that C2PA does not know; give one of P-256, P-384, P-521, Ed25519 or RSA.")


def self_signed_credentials() -> Credentials:
    """A signer who says that nobody vouches for it. Its key is made anew, and is gone with the process.

    Readers call it untrusted: the manifest proves that the file is unchanged since, not who made it. A certificate
    may not sign itself in C2PA, so a second one that nobody knows signs the first.
    """
    import_c2pa()
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    issuer, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    now = datetime.now(timezone.utc)

    def certificate(whose: Any, is_issuer: bool) -> Any:
        kinds = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
        uses = {name: name == "digital_signature" and not is_issuer for name in kinds}
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())

        def named(part: str) -> Any:
            organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, SELF_SIGNED)
            return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, f"{SELF_SIGNED}: {part}")])

        builder = (
            x509.CertificateBuilder()
            .subject_name(named("issuer" if is_issuer else "signer"))
            .issuer_name(named("issuer"))
            .public_key(whose.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=SELF_SIGNED_DAYS))
            .add_extension(x509.BasicConstraints(ca=is_issuer, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(
                    **uses, key_cert_sign=is_issuer, crl_sign=is_issuer, encipher_only=False, decipher_only=False
                ),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(whose.public_key()), critical=False)
            .add_extension(authority, critical=False)
        )
        if not is_issuer:
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(usage, critical=False)
        return builder.sign(issuer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Credentials(certificate(key, False) + certificate(issuer, True), private, "es256")


def manifest_of(provenance: Provenance, opens: bool) -> dict[str, Any]:
    """What is signed. opens: the file is made of another one that is its parent, else it was created."""
    agent = {"name": GENERATOR, "version": __version__}
    made = {"digitalSourceType": provenance.source_uri, "softwareAgent": agent, "when": provenance.made}
    opened = {
        "action": "c2pa.opened",
        "softwareAgent": agent,
        "when": provenance.made,
        "parameters": {"ingredientIds": [PARENT]},
    }
    actions = [opened, {"action": "c2pa.edited", **made}] if opens else [{"action": "c2pa.created", **made}]
    return {
        "claim_generator_info": [agent],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
    }


def sign(
    path: Path, provenance: Provenance, credentials: Credentials, parent: Path | None, inputs: tuple[Path, ...] = ()
) -> None:
    """Sign a finished file in its place. parent: the file that it was made of, if that has a manifest, which is kept
    in the new one. inputs: photos and the like that a network was given; theirs are kept, too.

    Raises InputError, and leaves the file as it was.
    """
    c2pa = import_c2pa()
    handle, name = tempfile.mkstemp(prefix=".mmgt-", suffix=f".signed{path.suffix}", dir=path.parent)
    os.close(handle)
    signed = Path(name)
    signed.unlink()  # the library wants to make it itself
    ingredients = (
        [(parent, {"title": "the file before", "relationship": "parentOf", "label": PARENT})]
        if parent is not None
        else []
    )
    ingredients += [(given, {"title": "input", "relationship": "inputTo"}) for given in inputs]
    try:
        signer = c2pa.Signer.from_info(
            c2pa.C2paSignerInfo(
                credentials.algorithm.encode(),
                credentials.certificates,
                credentials.key,
                credentials.timestamp_url.encode() if credentials.timestamp_url else None,
            )
        )
        builder = c2pa.Builder(manifest_of(provenance, parent is not None), context=_context(c2pa))
        for given, described in ingredients:
            with given.open("rb") as file:
                builder.add_ingredient(described, _mime_of(given), file)
        builder.sign_file(str(path), str(signed), signer)
        signed.chmod(path.stat().st_mode)
        signed.replace(path)
    except c2pa.C2paError as error:
        raise InputError(
            f"it cannot be signed ({_one_line(error)}); see to the certificate, key and time-stamp address, and take "
            "mp4, mov, png, jpg or webp."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            signed.unlink(missing_ok=True)


def read_credentials(path: Path) -> Mapping[str, Any]:
    """What a file's manifest says: {} for none, {"unread": why} where the library is missing or refuses it.

    state: Valid, Trusted or Invalid, as the library calls it; failures: codes; signer; time: of a time stamp, if any;
    actions; source_types: also those of its ingredients.
    """
    try:
        c2pa = import_c2pa()
    except InputError as error:
        return {"unread": str(error)}
    try:
        with path.open("rb") as file:
            reader = c2pa.Reader.try_create(_mime_of(path), file, context=_context(c2pa))
            if reader is None:
                return {}
            state, told = reader.get_validation_state(), json.loads(reader.json())
    except c2pa.C2paError as error:
        return {"unread": _one_line(error)}
    manifests = told.get("manifests", {})
    active = manifests.get(told.get("active_manifest"), {})
    signature = active.get("signature_info", {})
    return {
        "state": state,
        "failures": sorted({failure["code"] for failure in told.get("validation_status", [])}),
        "signer": signature.get("common_name") or signature.get("issuer", ""),
        "time": signature.get("time", ""),
        "actions": [action["action"] for action in _actions(active)],
        "source_types": sorted(
            {
                action["digitalSourceType"]
                for one in manifests.values()
                for action in _actions(one)
                if "digitalSourceType" in action
            }
        ),
        "ingredients": len(active.get("ingredients", [])),
    }


def _actions(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        action
        for assertion in manifest.get("assertions", [])
        if assertion.get("label", "").startswith("c2pa.actions")
        for action in assertion["data"].get("actions", [])
    ]


def _context(c2pa: Any) -> Any:
    return c2pa.Context(c2pa.Settings.from_dict(SETTINGS))


def _mime_of(path: Path) -> str:
    kinds = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
    kinds |= {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime"}
    return kinds.get(path.suffix.lower(), "application/octet-stream")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
