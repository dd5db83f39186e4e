"""Quotes that tpm2-tools made of a TPM in software: what tpm2_checkquote takes verifies, what it refuses is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import pytest

from casemate.attestation.catalogue import FORMATS
from casemate.attestation.platforms.tpm.key import key_of
from casemate.attestation.platforms.tpm.structures import Quote
from casemate.attestation.platforms.tpm.verify import pcr_of, qualifying, verify_quote
from casemate.attestation.reading import evidence_in
from casemate.attestation.verify import Expected, Roots, verify
from casemate.claims import VerifiedClaims
from casemate.errors import EvidenceError
from casemate.testing.stage import StageError
from casemate.testing.swtpm import MISSING_SWTPM, SoftwareTpm, swtpm, swtpm_is_there
from casemate.testing.tpm.certificates import KeyCertificate
from casemate.testing.tpm.log import Record, written
from casemate.testing.tpm.plan import MAKER, ROOT, right
from casemate.testing.tpm.quotes import sized
from casemate.wire.evidence import Endorsements, Evidence

pytestmark = pytest.mark.skipif(not swtpm_is_there(), reason=MISSING_SWTPM)

MANIFEST: Final = hashlib.sha256(b"manifest").digest()
SHIELD: Final = hashlib.sha256(b"shield").digest()
CAP: Final = hashlib.sha256(b"casemate/cap/v1").digest()
REPORT_DATA: Final = hashlib.sha512(b"report data").digest()
OTHER: Final = hashlib.sha512(b"other report data").digest()

SCHEMES: Final = {
    "rsassa": ("rsa", "rsassa", "sha256"),
    "rsapss": ("rsa", "rsapss", "sha256"),
    "rsassa-sha384": ("rsa", "rsassa", "sha384"),
    "ecdsa": ("ecc", "ecdsa", "sha256"),
    "ecdsa-p384": ("ecc384", "ecdsa", "sha384"),
}
"""Kind of key, scheme and hash."""


@dataclass
class Machine:
    """A TPM whose boot extended PCR 11, and whose shield PCR 15; a key of it, and another."""

    tpm: SoftwareTpm
    kind: str
    scheme: str
    algorithm: str

    def quote(self, report_data: bytes = REPORT_DATA, *, key: str = "ak", banks: str = "sha256:0,7,11,15") -> bytes:
        self.tpm.tool(
            "tpm2_quote", "--key-context", f"{key}.ctx", "--pcr-list", banks, "--qualification",
            qualifying(report_data).hex(), "--message", "message", "--signature", "signature", "--pcr", "values",
            "--pcrs_format", "values", "--hash-algorithm", self.algorithm, "--scheme", self.scheme,
        )  # fmt: skip
        self.tpm.flush()
        return self.report(key)

    def report(self, key: str = "ak") -> bytes:
        """Of the files of the last quote."""
        parts = sized(self.tpm.read("message")), self.tpm.read("signature"), self.tpm.read(f"{key}.pub")
        return b"".join(parts) + self.tpm.read("values")

    def checked(self, report_data: bytes = REPORT_DATA, key: str = "ak") -> bool:
        """What tpm2_checkquote says of a quote. It knows no RSAPSS (5.4), and refuses each."""
        self.tpm.tool(
            "tpm2_quote", "--key-context", "ak.ctx", "--pcr-list", "sha256:0,7,11,15", "--qualification",
            qualifying(REPORT_DATA).hex(), "--message", "m", "--signature", "s", "--pcr", "v",
            "--hash-algorithm", self.algorithm, "--scheme", self.scheme,
        )  # fmt: skip
        self.tpm.flush()
        try:
            self.tpm.tool(
                "tpm2_checkquote", "--public", f"{key}.pub", "--message", "m", "--signature", "s", "--pcr", "v",
                "--qualification", qualifying(report_data).hex(), "--hash-algorithm", self.algorithm,
            )  # fmt: skip
        except StageError:
            return False
        return True


@pytest.fixture(scope="module", params=SCHEMES)
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    kind, scheme, algorithm = SCHEMES[request.param]
    with swtpm() as tpm:
        tpm.tool("tpm2_createek", "--ek-context", "ek.ctx", "--key-algorithm", kind.removesuffix("384"))
        for name in ("ak", "other"):
            tpm.tool(
                "tpm2_createak", "--ek-context", "ek.ctx", "--ak-context", f"{name}.ctx", "--key-algorithm", kind,
                "--hash-algorithm", algorithm, "--signing-algorithm", scheme, "--public", f"{name}.pub",
                "--ak-name", f"{name}.name",
            )  # fmt: skip
            tpm.flush()
        for register, digest in ((11, SHIELD), (15, MANIFEST), (15, CAP)):
            tpm.tool("tpm2_pcrextend", f"{register}:sha256={digest.hex()}")
        yield Machine(tpm, kind, scheme, algorithm)


def judge(
    report: bytes, *, report_data: bytes = REPORT_DATA, manifest: bytes = MANIFEST, log: bytes | None = None
) -> VerifiedClaims:
    return verify(
        Evidence(format="tpm-quote", report=report, log=log),
        Endorsements(certificates=b"", crls=[]),
        roots=Roots(google=True),
        at=datetime(2026, 6, 1, tzinfo=UTC),
        expected=Expected(report_data=report_data, manifest=manifest, excused=frozenset({"authority"})),
    )


def step(report: bytes, **expected: bytes) -> str | None:
    with pytest.raises(EvidenceError) as caught:
        judge(report, **expected)
    return caught.value.step


def test_a_quote_verifies(machine: Machine) -> None:
    report = machine.quote()
    claims = judge(report)
    assert claims.runtime_measurement == f"sha256:{hashlib.sha256(bytes(32) + SHIELD).hexdigest()}"
    assert (claims.report_data, claims.lacks) == (qualifying(REPORT_DATA), {"authority"})
    assert claims.values["name"] == machine.tpm.read("ak.name").hex()
    assert claims.values["pcr15"] == pcr_of(MANIFEST).hex()
    assert machine.checked() == (machine.scheme != "rsapss")


def test_it_is_recognised_and_shown(machine: Machine) -> None:
    report = machine.quote(banks="sha256:11,15+sha384:0")
    assert evidence_in(report).format == evidence_in(report.hex().encode()).format == "tpm-quote"
    fields = FORMATS["tpm-quote"].fields(report)
    assert fields["pcr_digest_matches"]
    assert fields["key_digest"] == judge(report).values["key"]
    assert fields["qualifying_data"] == qualifying(REPORT_DATA).hex()
    assert {"sha256_pcr11", "sha256_pcr15", "sha384_pcr0"} <= set(fields)
    assert judge(report).values.keys() == {"key", "name", "pcr11", "pcr15"}


def test_another_nonce_is_refused(machine: Machine) -> None:
    assert step(machine.quote(OTHER)) == step(machine.quote(), report_data=OTHER) == "evidence.report_data"
    assert not machine.checked(OTHER)


def test_another_key_is_refused(machine: Machine) -> None:
    machine.quote()
    assert step(machine.report("other")) == "evidence.signature"
    assert not machine.checked(key="other")
    assert judge(machine.quote(key="other")).values["key"] != judge(machine.quote()).values["key"]


def test_a_certified_key_needs_nobodys_excuse(machine: Machine) -> None:
    """Under a made-up authority, as Google certifies the keys of its machines."""
    report = machine.quote()
    key = key_of(Quote.parse(report).key)
    leaf = KeyCertificate(key.public, MAKER)
    plan = replace(right(), certificates=(leaf, MAKER))
    endorsements = Endorsements(certificates=plan.pem(), crls=plan.crls())
    expected = Expected(report_data=REPORT_DATA, manifest=MANIFEST)
    claims = verify_quote(Evidence(format="tpm-quote", report=report), endorsements, (ROOT.issue(),), plan.at, expected)
    assert (claims.lacks, claims.values["authority"], claims.hardware) == (frozenset(), "google", key.digest)
    with pytest.raises(EvidenceError) as caught:
        verify_quote(
            Evidence(format="tpm-quote", report=machine.quote(key="other")),
            endorsements,
            (ROOT.issue(),),
            plan.at,
            expected,
        )
    assert caught.value.step == "evidence.certificates"


def test_what_was_extended_is_what_the_log_says(machine: Machine) -> None:
    records = [Record(4, 0x8000_0003, text, text, banks=("sha256",)) for text in (b"boot loader", b"kernel")]
    for record in records:
        machine.tpm.tool("tpm2_pcrextend", f"4:sha256={record.digest('sha256').hex()}")
    report = machine.quote(banks="sha256:0,4,11,15")
    claims = judge(report, log=written(records, ["sha256"]))
    assert (claims.details["log_events"], claims.details["log_pcrs"]) == (3, [4])
    assert step(report, log=written(records[:1], ["sha256"])) == "evidence.log"
    assert step(report, log=written(records[::-1], ["sha256"])) == "evidence.log"


def test_a_changed_value_is_refused(machine: Machine) -> None:
    report = machine.quote()
    assert step(report[:-1] + bytes([report[-1] ^ 1])) == "evidence.pcrs"


def test_a_changed_signature_is_refused(machine: Machine) -> None:
    report = machine.quote()
    place = report.index(machine.tpm.read("signature")) + len(machine.tpm.read("signature")) - 1
    changed = report[:place] + bytes([report[place] ^ 1]) + report[place + 1 :]
    assert step(changed) == "evidence.signature"


def test_another_manifest_is_refused(machine: Machine) -> None:
    assert step(machine.quote(), manifest=bytes(32)) == "evidence.manifest"


def test_sha1_is_refused_and_so_is_what_lacks_registers(machine: Machine) -> None:
    for banks in ("sha1:11,15", "sha256:11,15+sha1:0", "sha384:11,15", "sha256:0,11"):
        assert step(machine.quote(banks=banks)) == "evidence.banks"


def test_a_key_that_signs_anything_is_refused(machine: Machine) -> None:
    """It would sign a quote that somebody wrote."""
    tpm, kinds = machine.tpm, {"rsa": "rsa2048", "ecc": "ecc256", "ecc384": "ecc384"}
    algorithm = f"{kinds[machine.kind]}:{machine.scheme}-{machine.algorithm}"
    attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign"
    tpm.tool("tpm2_createprimary", "-G", f"{algorithm}:null", "-a", attributes, "-c", "free.ctx")
    tpm.tool("tpm2_readpublic", "-c", "free.ctx", "-o", "free.pub")
    assert step(machine.quote(key="free")) == "evidence.key"


def test_a_register_that_was_extended_since_is_another(machine: Machine) -> None:
    """The last of the module: nothing brings PCR 15 back."""
    before = machine.quote()
    machine.tpm.tool("tpm2_pcrextend", f"15:sha256={'00' * 32}")
    assert step(machine.quote()) == "evidence.manifest"
    assert judge(before)
