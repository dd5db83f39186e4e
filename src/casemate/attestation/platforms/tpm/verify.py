"""Verification of quotes of TPM 2.0, in numbered steps.

 1  the quote is one, made by the TPM, with nothing in it that is not known       structures.py
 2  it is of the SHA-256 bank, with the registers that are asked for below,
    and of no bank of SHA-1
 3  the key signs nothing but what its TPM made, and is strong enough             key.py
 4  the quote is signed by that key, in the key's own scheme
 5  its digest is that of the registers' values
 6  PCR 15 was extended by the expected manifest and closed, and nothing else
 7  the qualifying data is the expected one
 8  the key's certificate comes from a root that the caller trusts, by
    authorities of which none revoked anything of it; or there is none, and the
    caller judges the key itself                                                  chain.py
 9  certificates and lists cover the time; no list is older than one seen         chain.py
10  where a log came along, it replays to those of its registers that are quoted  ../../eventlog.py

What costs most comes last: evidence that was made for somebody else does not get there.

`runtime_measurement` is PCR 11. What it says depends on who extended it: a policy asks for the registers of firmware
and boot loader too (docs/platforms/tpm.md). There are no security versions to look at.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from casemate.attestation.eventlog import EventLog, after_the_log, replay
from casemate.attestation.expectations import Expected, Roots, Unasked, check_expected, is_expected
from casemate.attestation.platforms.tpm.chain import Chain, shipped_roots, verified_chain
from casemate.attestation.platforms.tpm.key import Key, key_of
from casemate.attestation.platforms.tpm.structures import Quote
from casemate.claims import VERIFIER_TOKEN, VerifiedClaims
from casemate.errors import EndorsementError, EvidenceRejectedError, SignatureError
from casemate.wire.evidence import Endorsements, Evidence

__all__ = ["BANK", "CAP", "MANIFEST_PCR", "RUNTIME_PCR", "pcr_of", "qualifying", "verify_quote", "verify_tpm"]

BANK: Final = "sha256"
RUNTIME_PCR: Final = 11
"""Extended with the shield by whoever boots: as systemd does with the parts of a unified kernel image."""
MANIFEST_PCR: Final = 15
CAP: Final = hashlib.sha256(b"casemate/cap/v1").digest()
"""Extended behind the manifest's digest: no other value is reached from there that a manifest could have."""

_FORBIDDEN: Final = "sha1"
_REPORT_DATA_BYTES: Final = 64


@dataclass(frozen=True)
class _Logged:
    """What the event log told, for people."""

    events: int = 0
    registers: tuple[int, ...] = ()
    remarks: tuple[str, ...] = ()


def verify_tpm(
    evidence: Evidence, endorsements: Endorsements, roots: Roots, at: datetime, expected: Expected
) -> VerifiedClaims:
    return verify_quote(evidence, endorsements, shipped_roots() if roots.google else (), at, expected)


def verify_quote(
    evidence: Evidence, endorsements: Endorsements, roots: tuple[bytes, ...], at: datetime, expected: Expected
) -> VerifiedClaims:
    """`roots` are DER."""
    # 1. A quote that is understood in every part.
    quote = Quote.parse(evidence.report)
    # 2. Of a bank that means something, and all of it that is needed.
    _check_selection(quote)
    # 3. By a key that cannot sign what somebody else made up.
    key = key_of(quote.key)
    # 4. The TPM said it.
    _check_signature(quote, key)
    # 5. Of these values.
    _check_digest(quote)
    # 6, 7. For this manifest, this caller, this moment.
    bound = quote.values[BANK][MANIFEST_PCR]
    check_expected(expected, manifest=bound, report_data=quote.attest.extra, bound=pcr_of, said=qualifying)
    # 8. Of a TPM that somebody vouches for.
    chain = _chain(key, endorsements, roots, expected)
    # 9. All of it at this time, and no step back in revocation.
    if chain is not None:
        chain.check_times(at)
        chain.check_floors(expected.floors)
    # 10. What was measured is what the log says, where there is one.
    logged = _check_log(evidence.log, quote)
    return VerifiedClaims(
        platform="tpm",
        product="tpm",
        runtime_measurement=f"{BANK}:{quote.values[BANK][RUNTIME_PCR].hex()}",
        manifest=b"" if isinstance(expected.manifest, Unasked) else expected.manifest,
        report_data=quote.attest.extra,
        hardware=key.digest,
        tcb={},
        values=_values(quote, key, chain),
        lacks=_lacks(chain),
        seen={} if chain is None else {issuer: found.number for issuer, found in chain.lists.items()},
        verified_at=at,
        token=VERIFIER_TOKEN,
        details=_details(quote, chain, logged),
    )


def pcr_of(manifest: bytes) -> bytes:
    """What PCR 15 is once it was extended by a manifest's digest, and closed (TPM2_PCR_Extend: Part 1, 11.4.5)."""
    return hashlib.sha256(hashlib.sha256(bytes(32) + manifest).digest() + CAP).digest()


def qualifying(report_data: bytes) -> bytes:
    """What a quote has in the place of report data: its SHA-256, since 64 bytes may be too many for a TPM."""
    return hashlib.sha256(report_data).digest() if len(report_data) == _REPORT_DATA_BYTES else report_data


def _check_selection(quote: Quote) -> None:
    banks = [bank for bank, _ in quote.attest.selection]
    if _FORBIDDEN in banks:
        raise _rejected(
            "a quote of the SHA-1 bank: values of SHA-1 can be made to collide",
            "evidence.banks",
            BANK,
            ", ".join(banks),
            "quote the SHA-256 bank, and not SHA-1 beside it",
        )
    missing = {RUNTIME_PCR, MANIFEST_PCR} - quote.values.get(BANK, {}).keys()
    if missing:
        raise _rejected(
            "a quote without registers that are needed",
            "evidence.banks",
            f"{BANK}:{RUNTIME_PCR},{MANIFEST_PCR}",
            "; ".join(f"{bank}:{','.join(map(str, numbers))}" for bank, numbers in quote.attest.selection) or "none",
            f"quote at least {BANK}:{RUNTIME_PCR},{MANIFEST_PCR}, and what the policy asks for",
        )


def _chain(key: Key, endorsements: Endorsements, roots: tuple[bytes, ...], expected: Expected) -> Chain | None:
    if endorsements.certificates:
        return verified_chain(
            endorsements.certificates,
            tuple(endorsements.crls),
            key.spki,
            roots,
            without_lists="crl" in expected.excused,
        )
    if "authority" in expected.excused:
        return None
    raise EndorsementError(
        "nobody vouches for the key",
        step="evidence.authority",
        remedy="bring the certificate of the key, or have the policy require its name",
    )


def _check_signature(quote: Quote, key: Key) -> None:
    own, used = ((said.scheme, said.algorithm) for said in (quote.key, quote.signature))
    if own != used:
        raise _rejected("signed in another scheme than the key's", "evidence.algorithm", " ".join(own), " ".join(used))
    if not key.signed(quote.signature, quote.signed):
        raise SignatureError(
            "the quote is not signed by the key that came with it",
            step="evidence.signature",
            remedy="the quote was changed, or the key is of another TPM",
        )


def _check_digest(quote: Quote) -> None:
    if not is_expected(quote.attest.digest, quote.digest()):
        raise _rejected(
            "values of registers that are not those of the quote",
            "evidence.pcrs",
            quote.attest.digest.hex(),
            quote.digest().hex(),
            "read the registers right after the quote, and again where one was extended in between",
        )


def _check_log(data: bytes | None, quote: Quote) -> _Logged:
    """In each bank that is quoted: whoever looks at the log may look at any."""
    if data is None:
        return _Logged()
    log = EventLog.parse(data)
    replayed = {(bank, number): value for bank in quote.values for number, value in replay(log, bank).items()}
    remarks = dict.fromkeys(log.remarks)
    for (bank, number), value in replayed.items():
        quoted = quote.values[bank].get(number, value)
        if quoted in after_the_log(number, bank, value):
            remarks[f"PCR {number} has the end of boot services, which the log has not"] = None
        elif quoted != value:
            raise _rejected(
                f"the event log is not of this machine's start: PCR {number} of {bank} is another",
                "evidence.log",
                quoted.hex(),
                value.hex(),
                "bring the log of this start, complete",
            )
    return _Logged(len(log.events), tuple(sorted({number for _, number in replayed})), tuple(remarks))


def _values(quote: Quote, key: Key, chain: Chain | None) -> dict[str, str]:
    """What a policy may ask for (`casemate.platforms`)."""
    return {
        "key": key.digest.hex(),
        "name": quote.key.name.hex(),
        **({} if chain is None else {"authority": "google", **chain.machine}),
        **{f"pcr{number}": value.hex() for number, value in quote.values[BANK].items()},
    }


def _lacks(chain: Chain | None) -> frozenset[str]:
    if chain is None:
        return frozenset({"authority"})
    return frozenset({"crl"} if chain.lacks_lists else ())


def _details(quote: Quote, chain: Chain | None, logged: _Logged) -> dict[str, object]:
    attest = quote.attest
    ends = None if chain is None else min(certificate.end for certificate in chain.certificates)
    return {
        "scheme": f"{quote.signature.scheme} {quote.signature.algorithm}",
        "clock": attest.clock,
        "resets": attest.resets,
        "restarts": attest.restarts,
        "safe": attest.safe,
        "firmware": f"{attest.firmware:016x}",
        "banks": [bank for bank, _ in attest.selection],
        "log_events": logged.events,
        "log_pcrs": list(logged.registers),
        "log_remarks": list(logged.remarks),
        "root": None if chain is None else chain.certificates[0].fingerprint,
        "ends": None if ends is None else ends.isoformat(),
    }


def _rejected(message: str, step: str, expected: str, got: str, remedy: str | None = None) -> EvidenceRejectedError:
    return EvidenceRejectedError(message, step=step, expected=expected, got=got, remedy=remedy)
