"""A certificate authority and one server certificate signed by it."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_LIFETIME = dt.timedelta(days=3650)
_CLOCK_SKEW = dt.timedelta(days=1)
"""Certificates are valid from yesterday: the machines that look at them may be late."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: the authority that clients trust, the server's certificate and its key."""

    ca: Path
    cert: Path
    key: Path


def ensure_certificates(folder: Path, names: Iterable[str]) -> Certificates:
    """Return the certificates in `folder`; make new ones unless they already name all of `names`.

    `names` are host names and IP addresses; each becomes a subject alternative name.
    """
    files = Certificates(ca=folder / "ca.pem", cert=folder / "server.pem", key=folder / "server.key")
    wanted = frozenset(names)
    if not wanted:
        raise ValueError("a server certificate needs at least one name or address")
    if not wanted <= _names_of(files.cert):
        folder.mkdir(parents=True, exist_ok=True)
        _make(files, sorted(wanted))
    return files


def _names_of(cert: Path) -> frozenset[str]:
    if not cert.exists():
        return frozenset()
    found = x509.load_pem_x509_certificate(cert.read_bytes())
    if found.not_valid_after_utc < dt.datetime.now(dt.UTC) + _CLOCK_SKEW:
        return frozenset()
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = (str(address) for address in names.get_values_for_type(x509.IPAddress))
    return frozenset(names.get_values_for_type(x509.DNSName)) | frozenset(addresses)


def _make(files: Certificates, names: list[str]) -> None:
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = _name("Lab vCenter CA")
    ca = (
        _builder(ca_name, ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    cert = (
        _builder(_name(names[0]), ca_name, key.public_key())
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    files.key.touch(mode=0o600)
    files.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    files.ca.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    # Last, because its presence says that all three are there.
    files.cert.write_bytes(cert.public_bytes(serialization.Encoding.PEM))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _builder(subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
