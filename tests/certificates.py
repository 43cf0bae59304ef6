"""Certificates that no authority vouches for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


def self_signed(addresses: Iterable[str] = (), hosts: Iterable[str] = ()) -> tuple[str, str]:
    """A certificate for these addresses and host names, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "devenv test")])
    named = [*(x509.IPAddress(ip_address(address)) for address in addresses), *map(x509.DNSName, hosts)]
    names = x509.SubjectAlternativeName(named)
    number, public = x509.random_serial_number(), key.public_key()
    draft = x509.CertificateBuilder(name, name, public, number, now - DAY, now + DAY)
    draft = draft.add_extension(names, critical=False)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    return draft.sign(key, hashes.SHA256()).public_bytes(pem).decode(), private.decode()
