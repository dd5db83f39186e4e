"""Certificates, held against two verifiers that know nothing of casemate: cryptography's and OpenSSL's."""

from __future__ import annotations

import ipaddress
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from casemate.errors import SecretError

from .conftest import CA, START, TLS, Policy

ALGORITHMS = ["ed25519", "p256", "p384", "rsa3072"]
OPENSSL = shutil.which("openssl")
ADDRESS = "192.0.2.7"


def issued(policy: Policy, **fields: Any) -> x509.Certificate:
    policy.update({"ca": CA, "tls": {**TLS, **fields}})
    return policy.certificate("tls")


def verify_server(policy: Policy, name: str) -> None:
    store = Store([policy.certificate("ca")])
    try:
        subject: Any = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        subject = x509.DNSName(name)
    verifier = PolicyBuilder().store(store).time(policy.now).build_server_verifier(subject)
    verifier.verify(policy.certificate("tls"), [])


def openssl(policy: Policy, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    ca, leaf = folder / "ca.pem", folder / "leaf.pem"
    ca.write_bytes(policy.part("tls", "ca"))
    leaf.write_bytes(policy.part("tls", "certificate"))
    assert OPENSSL is not None
    command = [OPENSSL, "verify", "-x509_strict", "-attime", str(int(policy.now.timestamp())), *options]
    return subprocess.run([*command, "-CAfile", str(ca), str(leaf)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_certificate_is_for_its_own_key(policy: Policy, algorithm: str) -> None:
    certificate = issued(policy, algorithm=algorithm)
    private = load_pem_private_key(policy.part("tls"), None)
    assert certificate.public_key() == private.public_key()


@pytest.mark.parametrize("algorithm", [name for name in ALGORITHMS if name != "ed25519"])
def test_a_server_is_believed_under_its_names_and_no_others(policy: Policy, algorithm: str) -> None:
    issued(policy, algorithm=algorithm, dns=["api.records", "*.example.org"], ip=[ADDRESS, "2001:db8::1"])
    for name in ("api.records", "a.example.org", ADDRESS, "2001:db8::1"):
        verify_server(policy, name)
    for name in ("records", "x.api.records", "example.org", "a.b.example.org", "192.0.2.8", "2001:db8::2"):
        with pytest.raises(VerificationError):
            verify_server(policy, name)


@pytest.mark.skipif(OPENSSL is None, reason="there is no openssl on this machine")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_openssl_believes_the_same(policy: Policy, tmp_path: Path, algorithm: str) -> None:
    issued(policy, algorithm=algorithm, ip=[ADDRESS])
    for options in (["-verify_hostname", "api.records"], ["-verify_ip", ADDRESS]):
        told = openssl(policy, tmp_path, "-purpose", "sslserver", *options)
        assert told.returncode == 0, told.stderr
    for options in (["-verify_hostname", "records"], ["-verify_ip", "192.0.2.8"]):
        told = openssl(policy, tmp_path, "-purpose", "sslserver", *options)
        assert "mismatch" in told.stderr
    assert "unsuitable certificate purpose" in openssl(policy, tmp_path, "-purpose", "sslclient").stderr


@pytest.mark.skipif(OPENSSL is None, reason="there is no openssl on this machine")
def test_a_client_is_no_server(policy: Policy, tmp_path: Path) -> None:
    issued(policy, dns=[], common_name="a client", usage=["client"])
    assert openssl(policy, tmp_path, "-purpose", "sslclient").returncode == 0
    assert "unsuitable certificate purpose" in openssl(policy, tmp_path, "-purpose", "sslserver").stderr


@pytest.mark.parametrize("usage", [["server"], ["client"], ["server", "client"], ["client", "server"]])
def test_a_certificate_is_for_the_usages_that_were_asked_for(policy: Policy, usage: list[str]) -> None:
    certificate = issued(policy, usage=usage)
    named = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
    extension = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert set(extension.value) == {named[name] for name in usage}


def test_an_authority_signs_certificates_and_a_certificate_signs_none(policy: Policy) -> None:
    leaf, ca = issued(policy), policy.certificate("ca")
    for certificate, authority, depth in ((ca, True, 0), (leaf, False, None)):
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        assert constraints.critical
        assert (constraints.value.ca, constraints.value.path_length) == (authority, depth)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        assert usage.critical
        assert usage.value.key_cert_sign == usage.value.crl_sign == authority
        assert usage.value.digital_signature != authority
    assert ca.subject == ca.issuer == leaf.issuer
    assert ca.subject.rfc4514_string() == "CN=records CA"


def test_the_chain_is_leaf_first_and_the_authority_s_key_is_in_no_part(policy: Policy) -> None:
    issued(policy)
    leaf, ca = policy.part("tls", "certificate"), policy.part("ca")
    assert policy.part("tls", "chain") == leaf + ca
    assert policy.part("tls", "ca") == ca == policy.part("ca", "certificate")
    private = policy.secrets["ca"].material["private_key"]
    parts = [policy.part("tls", part) for part in ("private_key", "certificate", "chain", "ca")] + [ca]
    assert not any(private in part for part in parts)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "api.records"),
        ({"common_name": "The API"}, "The API"),
        ({"dns": ["a" * 60 + ".records"]}, "a" * 60 + ".rec"),
        ({"dns": [], "ip": [ADDRESS]}, "tls"),
    ],
)
def test_a_subject_is_the_common_name_or_the_first_name(policy: Policy, fields: dict[str, Any], name: str) -> None:
    found = issued(policy, **fields).subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    assert [attribute.value for attribute in found] == [name]


def test_serial_numbers_are_random(policy: Policy) -> None:
    policy.update({"ca": CA, **{f"tls{number}": TLS for number in range(20)}})
    serials = {policy.certificate(f"tls{number}").serial_number for number in range(20)}
    assert len(serials) == 20
    assert min(serials) > 2**64


def test_a_certificate_is_good_a_little_earlier_and_until_its_end(policy: Policy) -> None:
    certificate = issued(policy, valid_for="12h")
    assert certificate.not_valid_before_utc == START - timedelta(minutes=5)
    assert certificate.not_valid_after_utc == START + timedelta(hours=12)
    policy.after(hours=12)
    verify_server(policy, "api.records")
    policy.after(seconds=1)
    with pytest.raises(VerificationError):
        verify_server(policy, "api.records")


def test_a_certificate_never_outlives_its_authority(policy: Policy) -> None:
    policy.update({"ca": {**CA, "valid_for": "2d"}, "tls": {**TLS, "valid_for": "30d"}})
    assert policy.certificate("tls").not_valid_after_utc == policy.certificate("ca").not_valid_after_utc


def test_an_authority_that_has_ended_issues_nothing(policy: Policy) -> None:
    policy.update({"ca": {**CA, "valid_for": "2d"}, "tls": TLS})
    policy.after(days=2)
    with pytest.raises(SecretError) as caught:
        policy.release()
    assert (caught.value.step, caught.value.remedy) == ("secrets.issue", "rotate the CA")
    policy.update({"ca": {**CA, "valid_for": "2d", "rotate": 1}, "tls": TLS})
    verify_server(policy, "api.records")


def test_a_certificate_is_issued_anew_when_less_than_a_third_of_its_life_is_left(policy: Policy) -> None:
    first = issued(policy, valid_for="30d")
    key = policy.part("tls", "private_key")
    third = (first.not_valid_after_utc - first.not_valid_before_utc) / 3
    policy.now = first.not_valid_after_utc - third
    assert policy.release() == set()
    assert policy.certificate("tls") == first
    policy.after(seconds=1)
    assert policy.release() == {"tls"}
    second = policy.certificate("tls")
    assert second.serial_number != first.serial_number
    assert second.not_valid_after_utc == policy.now + timedelta(days=30)
    assert policy.part("tls", "private_key") == key
    assert policy.part("tls", "chain") == policy.part("tls", "certificate") + policy.part("ca")
    verify_server(policy, "api.records")
    assert policy.release() == set()


def test_an_update_issues_anew_what_is_due(policy: Policy) -> None:
    first = issued(policy, valid_for="30d")
    policy.after(days=25)
    assert issued(policy, valid_for="30d").serial_number != first.serial_number


def test_only_certificates_are_renewed(policy: Policy) -> None:
    policy.update({"ca": CA, "random": {"kind": "random", "bytes": 16}, "key": {"kind": "volume-key"}})
    policy.after(days=3649)
    assert policy.release() == set()


@pytest.mark.parametrize("days", [3650, 30_000])
def test_dates_beyond_2049_are_written_as_they_must_be(policy: Policy, days: int) -> None:
    """RFC 5280 §4.1.2.5: two forms of dates, with the border at 2050."""
    policy.after(days=days)
    issued(policy)
    verify_server(policy, "api.records")
