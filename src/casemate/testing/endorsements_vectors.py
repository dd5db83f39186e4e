"""What a cache adds to evidence, as vectors: `python -m casemate.testing.endorsements_vectors FOLDER`
(spec/vectors/endorsements/README.md says how they look). AMD's keys are made for it and forgotten, so each run writes
other bytes.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from casemate.attestation.catalogue import FORMATS
from casemate.attestation.platforms.sev_snp.chain import shipped_roots
from casemate.attestation.platforms.sev_snp.products import GENOA, MILAN, TURIN, Product
from casemate.attestation.platforms.sev_snp.table import (
    ARK,
    ASK,
    VCEK,
    VLEK,
    build_certificate_table,
    parse_certificate_table,
)
from casemate.endorsements.cache import Cache
from casemate.testing.amd.cases import Case as Chip
from casemate.testing.amd.cases import build
from casemate.testing.amd.peers import MADE_FOR, certificate_with, report_over, revoking
from casemate.testing.amd.plan import AT, FLOOR, right
from casemate.testing.intel.plan import Plan as Quote
from casemate.testing.intel.plan import right as quote
from casemate.wire.evidence import MAX_CRLS, MAX_DOCUMENTS, NO_ENDORSEMENTS, Endorsements, Evidence
from casemate.wire.fields import format_time

__all__ = ["Completed", "Judged", "added", "certificates", "main"]

_CUSTODIAN: Final = "sha256:" + "c" * 64
_RUNTIME: Final = "sha384:" + (b"m" * 48).hex()
_CHIP_ID: Final = slice(0x1A0, 0x1E0)
_CPUID: Final = slice(0x188, 0x18B)
"""In reports: family, model, stepping."""
_LIST: Final = "amd/milan/crl.der"


@dataclass(frozen=True)
class Completed:
    """Evidence with what came, and entries of a cache by their names."""

    name: str
    evidence: Evidence
    came: Endorsements
    cache: Mapping[str, bytes]

    def completed(self, folder: Path) -> Endorsements:
        """What a cache in this folder makes of it."""
        for name, data in self.cache.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return Cache(folder).completed(self.evidence, self.came)


def added() -> Iterator[Completed]:
    """By the name of the format that each is about."""
    chip = build(right())
    cache = _amd(chip)
    yield from _lines()
    yield from _came(chip, cache)
    yield from _tables(chip, cache)
    yield from _entries(chip, cache)
    yield from _chips(chip, cache)
    yield from _quotes()


def _lines() -> Iterator[Completed]:
    """Each product line, whose chips came with nothing, and with what platforms give."""
    for product in (MILAN, GENOA, TURIN):
        for vlek in (False, True):
            for version in (2, 5):
                chip = build(right(product, vlek=vlek, version=version))
                name = f"{product.name} {'VLEK' if vlek else 'VCEK'} version {version}"
                cache = _amd(chip, product, vlek=vlek)
                yield Completed(f"{name}, nothing came", chip.evidence, NO_ENDORSEMENTS, cache)
                came = _table({place: data for place, data in _entries_of(chip).items() if place != ARK})
                yield Completed(f"{name}, certificates came", chip.evidence, came, cache)


def _came(chip: Chip, cache: Mapping[str, bytes]) -> Iterator[Completed]:
    entries = _entries_of(chip)
    leaf, without_root = {VCEK: entries[VCEK]}, {place: entries[place] for place in (VCEK, ASK)}
    again = _entries_of(build(replace(right(), leaf=replace(right().leaf, serial=6))))
    lists = [bytes((number,)) for number in range(MAX_CRLS)]
    documents = [bytes((number,)) for number in range(MAX_DOCUMENTS)]
    full = Endorsements(certificates=_table(without_root).certificates, crls=lists, documents=documents)
    root = next(root.der for root in shipped_roots().values() if root.common_name == "ARK-Milan")
    pem = x509.load_der_x509_certificate(root).public_bytes(Encoding.PEM)
    for name, came in {
        "a leaf came": _table(leaf),
        "another leaf came": _table({VCEK: again[VCEK]}),
        "lists of their own came": _table(without_root).model_copy(update={"crls": [b"anything"]}),
        "as many as are looked at came": full,
        "a root came that is not AMD's": chip.endorsements,
        "the root came": _table({**without_root, ARK: root}),
        "the root came in PEM": _table({**without_root, ARK: pem}),
        "a root came that cannot be read": _table({**without_root, ARK: b"root"}),
        "an intermediate came that cannot be read": _table({ASK: b"intermediate"}),
        "what came is no table": Endorsements(certificates=b"certificates", crls=[]),
    }.items():
        yield Completed(name, chip.evidence, came, cache)
    yield Completed("a table came, of which the cache has nothing", chip.evidence, _table(leaf), {})


def _tables(chip: Chip, cache: Mapping[str, bytes]) -> Iterator[Completed]:
    """What is beside the entries that are read."""
    entries = {place: data for place, data in _entries_of(chip).items() if place != ARK}
    table = build_certificate_table(entries)
    for name, certificates in {
        "a table with a tail": table + bytes(64),
        "a table with an entry that nobody reads": build_certificate_table({UUID(int=7): b"x" * 999, **entries}),
        "a table without entries": bytes(24),
        "a table in another order": build_certificate_table(dict(reversed(entries.items()))),
    }.items():
        yield Completed(name, chip.evidence, Endorsements(certificates=certificates, crls=[]), cache)


def _entries(chip: Chip, cache: Mapping[str, bytes]) -> Iterator[Completed]:
    """What may lie in an entry's place."""
    (chain, crl, vcek), (listed,) = cache, right().lists
    pem = x509.load_der_x509_certificate(cache[vcek]).public_bytes(Encoding.PEM)
    broken = b"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n"
    critical = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"x"), True)
    for name, changed in {
        "a chain with text around": {chain: b"first\n" + cache[chain] + b"last"},
        "a chain of which one is broken": {chain: cache[chain] + broken},
        "a chain without an end": {chain: cache[chain] + broken[:40]},
        "a chain in DER": {chain: _entries_of(chip)[ASK]},
        "a leaf in PEM": {vcek: pem},
        "a leaf in the chain's place": {chain: pem},
        "a root in the leaf's place": {vcek: _entries_of(chip)[ARK]},
        "a list that says nothing": {crl: b""},
        "a list that is noise": {crl: b"noise"},
        "a list with something behind it": {crl: cache[crl] + b"\0"},
        "a list without a number": {crl: replace(listed, number=None).issue()},
        "a list without an end": {crl: replace(listed, endless=True).issue()},
        "a list that is not understood": {crl: replace(listed, extensions=(critical,)).issue()},
        "a certificate in the list's place": {crl: cache[vcek]},
        "a list in the certificate's place": {vcek: cache[crl]},
    }.items():
        yield Completed(name, chip.evidence, NO_ENDORSEMENTS, {**cache, **changed})
    for name, missing in (("chain", chain), ("list", crl), ("leaf", vcek)):
        others = {other: data for other, data in cache.items() if other != missing}
        yield Completed(f"the {name} is missing", chip.evidence, NO_ENDORSEMENTS, others)


def _chips(chip: Chip, cache: Mapping[str, bytes]) -> Iterator[Completed]:
    """Whose reports say other things. Nothing is signed anew: no signature is looked at."""
    (_, _, vcek) = cache
    hidden = _changed(chip.evidence, _CHIP_ID, bytes(64))
    yield Completed("a chip that is hidden", hidden, NO_ENDORSEMENTS, cache)
    provider = build(right(vlek=True))
    yield Completed("a chip that is hidden, of a provider", _changed(provider.evidence, _CHIP_ID, bytes(64)),
                    NO_ENDORSEMENTS, _amd(provider, vlek=True))  # fmt: skip
    other = _changed(chip.evidence, _CHIP_ID, bytes(reversed(range(1, 65))))
    yield Completed("another chip", other, NO_ENDORSEMENTS, cache)
    noise = chip.evidence.model_copy(update={"report": bytes(1184)})
    yield Completed("no report", noise, NO_ENDORSEMENTS, cache)
    nitro = Evidence(format="nitro-document", report=chip.evidence.report)
    yield Completed("evidence of which nothing is published", nitro, NO_ENDORSEMENTS, cache)
    lines: dict[str, bytes] = {}
    for line in ("milan", "genoa", "turin"):
        lines |= {name.replace("/milan/", f"/{line}/"): data for name, data in cache.items() if name != vcek}
    for family, model in ((0x19, 0x0F), (0x19, 0x10), (0x19, 0x1F), (0x19, 0x20), (0x19, 0xA0), (0x19, 0xAF),
                          (0x19, 0xB0), (0x1A, 0x02), (0x1A, 0x11), (0x17, 0x01), (0x17, 0x31)):  # fmt: skip
        cpu = _changed(provider.evidence, _CPUID, bytes((family, model, 1)))
        vlek = {name.replace("vcek-chain", "vlek-chain"): data for name, data in lines.items()}
        distinct = {name: data for name, data in vlek.items() if name.startswith(_line_of(cpu))}
        yield Completed(f"a machine of family {family:#x}, model {model:#x}", cpu, NO_ENDORSEMENTS, distinct)


def _quotes() -> Iterator[Completed]:
    for tdx in (True, False):
        for kind in ("Platform", "Processor"):
            made = quote(tdx=tdx, kind=kind)
            name = f"{'TDX' if tdx else 'SGX'}, {kind}"
            yield Completed(f"{name}, nothing came", made.evidence(), NO_ENDORSEMENTS, _intel(made))
            yield Completed(f"{name}, all came", made.evidence(), made.endorsements(), _intel(made))
    made = quote(tdx=True)
    full, cache = made.endorsements(), _intel(made)
    documents = full.model_copy(update={"documents": full.documents * 2})
    yield Completed("TDX, as many as are looked at came", made.evidence(), documents, cache)
    text = full.model_copy(update={"certificates": b"text\n" + full.certificates})
    yield Completed("TDX, text came", made.evidence(), text, cache)
    for name in cache:
        yield Completed(f"TDX, noise for {name}", made.evidence(), NO_ENDORSEMENTS, {**cache, name: b"{}"})
    bare = replace(made, order=lambda _: b"")
    yield Completed("TDX, without certificates in the quote", bare.evidence(), NO_ENDORSEMENTS, cache)
    short = made.evidence().model_copy(update={"report": made.evidence().report[:-1]})
    yield Completed("TDX, cut off", short, NO_ENDORSEMENTS, cache)


def _amd(chip: Chip, product: Product = MILAN, *, vlek: bool = False) -> dict[str, bytes]:
    """What AMD publishes for it, as a cache has it: of chain, list, and of a VCEK its certificate."""
    entries = _entries_of(chip)
    certified = Endorsements(certificates=build_certificate_table({ASK: entries[ASK]}), crls=[])
    names = [one.name for one in FORMATS["sev-snp-report"].wanted(chip.evidence.report, certified)]
    pem = b"".join(x509.load_der_x509_certificate(entries[place]).public_bytes(Encoding.PEM) for place in (ASK, ARK))
    leaf = entries[VLEK if vlek else VCEK]
    assert all(f"amd/{product.name.lower()}/" in name for name in names)
    return dict(zip(names, (pem, chip.endorsements.crls[0], leaf), strict=False))


def _intel(made: Quote) -> dict[str, bytes]:
    """What Intel publishes for it, as a cache has it."""
    evidence, published = made.evidence(), made.endorsements()
    wanted = FORMATS[evidence.format].wanted(evidence.report, NO_ENDORSEMENTS)
    info, identity = published.documents
    found = dict(zip((one.name for one in wanted), (*published.crls, identity, info), strict=True))
    chains = {one.chain[1]: published.certificates for one in wanted if one.chain is not None}
    return {**found, **chains}


def _line_of(evidence: Evidence) -> str:
    (chain, *_) = FORMATS[evidence.format].wanted(evidence.report, NO_ENDORSEMENTS)
    return chain.name.rpartition("/")[0]


def _entries_of(chip: Chip) -> dict[UUID, bytes]:
    return parse_certificate_table(chip.endorsements.certificates)


def _table(entries: Mapping[UUID, bytes]) -> Endorsements:
    return Endorsements(certificates=build_certificate_table(entries), crls=[])


def _changed(evidence: Evidence, place: slice, data: bytes) -> Evidence:
    report = bytearray(evidence.report)
    report[place] = data
    return evidence.model_copy(update={"report": bytes(report)})


@dataclass(frozen=True)
class Judged:
    """A TLS certificate with these endorsements in it, and what a verifier says of it that has a cache: a platform, or
    the step that refuses. `floor`: the highest number of a list that it saw.
    """

    name: str
    outcome: str
    carries: Endorsements
    cache: Mapping[str, bytes]
    floor: int | None = None


def certificates() -> dict[str, Any]:
    """Over reports of a made-up AMD, whose root is to be taken for AMD's."""
    key = ec.generate_private_key(ec.SECP256R1())
    chip = report_over(key, _CUSTODIAN)
    wanted = {"custodian": _CUSTODIAN, "runtimes": [_RUNTIME], "manifests": [MADE_FOR]}
    cases = [
        {
            "name": one.name,
            "certificate": certificate_with(key, _CUSTODIAN, chip.evidence, one.carries).hex(),
            "at": format_time(AT),
            "wanted": wanted,
            **({} if one.floor is None else {"floor": one.floor}),
            "cache": {name: data.hex() for name, data in one.cache.items()},
            "outcome": {"step" if "." in one.outcome else "platform": one.outcome},
        }
        for one in _judged(chip)
    ]
    return {"root": _entries_of(chip)[ARK].hex(), "cases": cases}


def _judged(chip: Chip) -> Iterator[Judged]:
    (own,), (listed,) = chip.endorsements.crls, right().lists
    older, newer = (replace(listed, number=number).issue() for number in (FLOOR - 1, FLOOR + 1))
    somebody_elses = replace(listed, signer=right().leaf.signer).issue()
    ended = replace(listed, number=FLOOR + 1, end=AT - timedelta(seconds=1)).issue()
    bare, older_one, many = (
        chip.endorsements.model_copy(update={"crls": crls}) for crls in ([], [older], [own] * MAX_CRLS)
    )
    for having, outcome, crl in (
        ("which the cache has", "sev-snp", own),
        ("of which the cache has noise", "evidence.crl", b"noise"),
        ("of which the cache has somebody else's", "evidence.crl", somebody_elses),
        ("revoked by the cache's", "evidence.revoked", revoking()),
        ("of which the cache's has ended", "evidence.validity", ended),
    ):
        yield Judged(f"without a list, {having}", outcome, bare, {_LIST: crl})
    yield Judged("without a list", "evidence.crl", bare, {})
    yield Judged("with a list, revoked by the cache's newer one", "evidence.revoked", chip.endorsements,
                 {_LIST: revoking()})  # fmt: skip
    yield Judged("with many lists, revoked by the cache's newer one", "evidence.revoked", many, {_LIST: revoking()})
    yield Judged("with a list that is newer than the cache's", "sev-snp", chip.endorsements, {_LIST: older})
    published = _amd(chip)
    without_list = {name: data for name, data in published.items() if name != _LIST}
    yield Judged("with nothing but what the cache has", "sev-snp", NO_ENDORSEMENTS, published)
    yield Judged("with nothing, and the cache has no list", "evidence.crl", NO_ENDORSEMENTS, without_list)
    yield Judged("the cache's list is as new as one seen", "sev-snp", bare, {_LIST: own}, FLOOR)
    yield Judged("the cache's list is older than one seen", "evidence.crl_floor", bare, {_LIST: own}, FLOOR + 1)
    yield Judged("the cache's list is as new as one seen, an older came", "sev-snp", older_one, {_LIST: newer},
                 FLOOR + 1)  # fmt: skip
    yield Judged("an older list than one seen came", "evidence.crl_floor", older_one, {}, FLOOR)


class _Parts:
    """Bytes that are there once, by a number."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._known: dict[bytes, int] = {}

    def put(self, data: bytes) -> int:
        if data not in self._known:
            self._known[data] = len(self.all)
            self.all.append(data.hex())
        return self._known[data]

    def endorsements(self, them: Endorsements) -> dict[str, Any]:
        return {
            "certificates": self.put(them.certificates),
            "crls": [self.put(data) for data in them.crls],
            "documents": [self.put(data) for data in them.documents],
        }


def _added() -> dict[str, Any]:
    parts, cases = _Parts(), []
    for one in added():
        with tempfile.TemporaryDirectory() as folder:
            completed = one.completed(Path(folder))
        cases.append(
            {
                "name": one.name,
                "evidence": {"format": one.evidence.format, "report": parts.put(one.evidence.report)},
                "came": parts.endorsements(one.came),
                "cache": {name: parts.put(data) for name, data in one.cache.items()},
                "completed": parts.endorsements(completed),
            }
        )
    return {"parts": parts.all, "cases": cases}


def main(folder: Path) -> None:
    for name, made in (("completed", _added()), ("certificates", certificates())):
        (folder / f"{name}.json").write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
