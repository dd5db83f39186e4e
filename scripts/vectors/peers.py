"""What is asked of the platform behind a certificate with evidence (spec/ra-tls.md, "By evidence", step 6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scripts.vectors._form import Case, render

__all__ = ["document"]

AT, AFTER = "2026-07-01T00:00:00Z", "2026-07-01T00:00:01Z"
LISTED, VALUES, MINIMA = "platform.listed", "platform.values", "tcb.minima"
STATUS, COMPLETE = "tcb.status", "endorsements.complete"
NEW = {"evaluation": 17}
BOOTED = {f"pcr{number}": ["aa"] for number in (0, 4, 7, 8, 9, 12)}
HARDENING = {"status": "sw-hardening-needed", "advisories": ["INTEL-SA-1", "INTEL-SA-2"], "until": AFTER}


def document() -> str:
    return render(
        "claims of a platform, and what is asked of those that are wanted, as a policy writes it (left out: by"
        " default); `excused` is what a verifier lets evidence lack for that, `step` what refuses",
        at=AT,
        cases=[*_listed(), *_intel(), *_statuses(), *_amd(), *_tpm(), *_lacking()],
    )


def _case(name: str, claims: dict[str, Any], asked: dict[str, Any] | None, step: str | None = None,
          excused: tuple[str, ...] = ()) -> Case:  # fmt: skip
    """`asked` of the platform that the claims are of."""
    platforms = {} if asked is None else {"platforms": {claims["platform"]: asked}}
    refused = None if step is None else f"ra_tls.{step}"
    return {"name": name, "claims": claims, **platforms, "excused": list(excused), "step": refused}


def _tdx(**change: Any) -> dict[str, Any]:
    return {"platform": "tdx", "tcb": {"evaluation": 17, "module": 1}, "values": {"fmspc": "00"},
            "tcb_status": "up-to-date", **change}  # fmt: skip


def _sgx(**change: Any) -> dict[str, Any]:
    values = {"mrsigner": "aa", "isv_product": "7", "isv_family": "00"}
    return _tdx(platform="sgx", tcb={"evaluation": 17, "isv": 4}, values=values, **change)


def _sev_snp(**change: Any) -> dict[str, Any]:
    values = {"id_key_digest": "aa", "family_id": "bb", "image_id": "cc", "product": "milan"}
    return {"platform": "sev-snp", "tcb": {"snp": 23, "guest": 3}, "values": values, **change}


def _machine(**change: Any) -> dict[str, Any]:
    values = {"name": "aa", "authority": "google", "project": "p", "instance": "1", **dict.fromkeys(BOOTED, "aa")}
    return {"platform": "tpm", "values": values, **change}


def _listed() -> Iterator[Case]:
    nitro = {"platform": "nitro", "values": {"pcr0": "aa", "module": "m"}}
    others = [{"platform": name} for name in ("simulated", "simulated-container")]
    for claims in (_sev_snp(), nitro, *others):
        yield _case(f"{claims['platform']}, by default", claims, None)
    for claims in (_tdx(), _sgx(), _machine()):
        yield _case(f"{claims['platform']}, by default", claims, None, LISTED)
    yield {**_case("one that is not listed", nitro, None, LISTED), "platforms": {"sev-snp": {}}}
    yield {**_case("none is listed", nitro, None, LISTED), "platforms": {}}
    yield _case("a value that is asked for", nitro, {"require": {"module": ["l", "m"]}})
    yield _case("a value that is another", nitro, {"require": {"module": ["l", "mm"]}}, VALUES)
    yield _case("a value that is not there", nitro, {"require": {"pcr1": ["aa"]}}, VALUES)
    yield _case("a value of which none is admitted", nitro, {"require": {"module": []}}, VALUES)
    yield _case("a version that the platform has not", nitro, {"tcb": {"snp": 0}}, MINIMA)


def _intel() -> Iterator[Case]:
    for claims in (_tdx(), _sgx()):
        name = claims["platform"]
        yield _case(f"{name}, documents that are new enough", claims, {"tcb": NEW})
        yield _case(f"{name}, documents that are too old", claims, {"tcb": {"evaluation": 18}}, MINIMA)
        yield _case(f"{name}, of documents of any age", claims, {}, MINIMA)
        for other in ({"module": 0, "isv": 0}, {}):
            yield _case(f"{name}, something else asked of {len(other)} versions", claims, {"tcb": other}, MINIMA)
        yield _case(f"{name}, of documents of any age, which is waived", claims, {"waive": [HARDENING]}, MINIMA)
    for part in ("isv_product", "isv_family"):
        require = {part: [_sgx()["values"][part]]}
        yield _case(f"{part}, whoever signed", _sgx(), {"tcb": NEW, "require": require}, VALUES)
        yield _case(f"{part} of a signer", _sgx(), {"tcb": NEW, "require": {**require, "mrsigner": ["aa"]}})
    yield _case("an enclave's version, whoever signed", _sgx(), {"tcb": {**NEW, "isv": 4}}, MINIMA)
    yield _case(
        "an enclave's version, of a signer", _sgx(), {"tcb": {**NEW, "isv": 4}, "require": {"mrsigner": ["aa"]}}
    )
    yield _case("an enclave's version, of another signer", _sgx(),
                {"tcb": {**NEW, "isv": 4}, "require": {"mrsigner": ["bb"]}}, VALUES)  # fmt: skip
    yield _case("what means something on another platform only", _tdx(values={"isv_product": "7"}),
                {"tcb": NEW, "require": {"isv_product": ["7"]}})  # fmt: skip


def _statuses() -> Iterator[Case]:
    warned = _tdx(tcb_status="sw-hardening-needed", advisories=["INTEL-SA-1"])
    more = {**warned, "advisories": ["INTEL-SA-1", "INTEL-SA-3"]}
    worse = {**HARDENING, "status": "out-of-date"}
    for name, claims, waivers, step in (
        ("of which its vendor warns", warned, [], STATUS),
        ("which is waived", warned, [HARDENING], None),
        ("which is waived among others", warned, [worse, HARDENING], None),
        ("of which something else is waived", warned, [worse], STATUS),
        ("which was waived", warned, [{**HARDENING, "until": AT}], STATUS),
        ("with more open than is waived", more, [HARDENING], STATUS),
        ("with nothing named as open", _tdx(tcb_status="sw-hardening-needed"), [{**HARDENING, "advisories": []}], None),
        ("without a verdict", _tdx(tcb_status=None), [], STATUS),
        ("without a verdict, another of which is waived", _tdx(tcb_status=None), [HARDENING], STATUS),
        ("that is up to date, with something open", _tdx(advisories=["INTEL-SA-1"]), [], None),
    ):  # fmt: skip
        yield _case(f"a TCB {name}", claims, {"tcb": NEW, "waive": waivers}, step)
    yield _case("a TCB that is waived, with documents that are too old", warned,
                {"tcb": {"evaluation": 18}, "waive": [HARDENING]}, MINIMA)  # fmt: skip


def _amd() -> Iterator[Case]:
    signer = {"id_key_digest": ["aa"]}
    yield _case("versions that are high enough", _sev_snp(), {"tcb": {"snp": 23}})
    yield _case("a version that is too low", _sev_snp(), {"tcb": {"snp": 24}}, MINIMA)
    for part, value in (("family_id", "bb"), ("image_id", "cc")):
        for name in ("sev-snp", "simulated", "simulated-container"):
            claims = _sev_snp(platform=name)
            yield _case(f"{part} of {name}, whoever signed", claims, {"require": {part: [value]}}, VALUES)
            yield _case(f"{part} of {name}, of a signer", claims, {"require": {part: [value], **signer}})
    yield _case("a guest's version, whoever signed", _sev_snp(), {"tcb": {"guest": 3}}, MINIMA)
    yield _case("a guest's version, of a signer", _sev_snp(), {"tcb": {"guest": 3}, "require": signer})


def _tpm() -> Iterator[Case]:
    name = {"name": ["aa"]}
    google = {"authority": ["google"]}
    for who, require in (("of a name", name), ("of a project", {**google, "project": ["p"]}),
                         ("of an instance", {**google, "instance": ["1"]})):  # fmt: skip
        excused = ("authority",) if require == name else ()
        yield _case(f"a TPM {who}, and what booted", _machine(), {"require": {**require, **BOOTED}}, None, excused)
        yield _case(f"a TPM {who}, whatever booted", _machine(), {"require": require}, VALUES, excused)
        for number in BOOTED:
            rest = {other: value for other, value in BOOTED.items() if other != number}
            yield _case(f"a TPM {who}, without {number}", _machine(), {"require": {**require, **rest}}, VALUES, excused)
    for who, require in (("anybody", {}), ("anybody of an authority", google), ("a project, whoever says so",
                         {"project": ["p"]}), ("a key", {"key": ["aa"]})):  # fmt: skip
        yield _case(f"a TPM of {who}, and what booted", _machine(), {"require": {**require, **BOOTED}}, VALUES)
    alone = _machine(lacks=["authority"])
    yield _case(
        "a TPM that nobody vouches for, of a name", alone, {"require": {**name, **BOOTED}}, None, ("authority",)
    )
    yield _case("a TPM that nobody vouches for", alone, {"require": {**google, "project": ["p"], **BOOTED}}, COMPLETE)
    yield _case("a TPM that nobody vouches for, of another name", alone,
                {"require": {"name": ["bb"], **BOOTED}}, VALUES, ("authority",))  # fmt: skip


def _lacking() -> Iterator[Case]:
    lacking = _sev_snp(lacks=["crl"])
    waived = {"lacks": "crl", "until": AFTER}
    other = {"lacks": "authority", "until": AFTER}
    yield _case("no list", lacking, None, COMPLETE)
    yield _case("no list, which is waived", lacking, {"waive": [waived]}, None, ("crl",))
    yield _case("no list, which was waived", lacking, {"waive": [{**waived, "until": AT}]}, COMPLETE, ("crl",))
    yield _case("no list, when something else is waived", lacking, {"waive": [other]}, COMPLETE, ("authority",))
    elsewhere = _case("no list, which is waived of another platform", lacking, None, COMPLETE, ("crl",))
    yield {**elsewhere, "platforms": {"sev-snp": {}, "nitro": {"waive": [waived]}}}
    yield _case("no list, and a status is waived", lacking, {"waive": [HARDENING]}, COMPLETE)
    named = {**elsewhere, "name": "no list, a TPM's name asked for elsewhere", "excused": ["authority"]}
    yield {**named, "platforms": {"sev-snp": {}, "tpm": {"require": {"name": ["aa"], **BOOTED}}}}
    unnamed = _sev_snp(lacks=["authority"], values={"name": "aa"})
    yield _case("an authority, where no name stands in for it", unnamed, {"require": {"name": ["aa"]}}, COMPLETE)
