"""Names in certificates: what a person cannot read, or no client would look for, is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from .conftest import CA, TLS, Policy, spec

LONGEST = ".".join(["a" * 63] * 3 + ["b" * 61])


def reasons(value: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        spec(value)
    return [
        str(error["ctx"]["error"].args[0]) if error["type"] == "value_error" else error["msg"]
        for error in caught.value.errors()
    ]


@pytest.mark.parametrize(
    "name", ["a", "localhost", "api.records", "*.records", "xn--mnchen-3ya.de", "0a.b", "1.2.3.x", "a-b.c", LONGEST]
)
def test_dns_names_are_taken(policy: Policy, name: str) -> None:
    policy.update({"ca": CA, "tls": {**TLS, "dns": [name]}})
    assert policy.certificate("tls").subject


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "-a",
        "a-",
        "a_b",
        "A.records",
        "api records",
        "api.records\n",
        "a\x00.b",
        "m\u00fcnchen.de",
        "\u0430pi.records",
        "api\u3002records",
        "api.records\u200b",
        "*",
        "*.",
        "*a.records",
        "a.*.records",
        "**.records",
        "a" * 64,
        LONGEST + "b",
        "https://api.records",
        "api.records:443",
        "user@records",
        "[::1]",
    ],
)
def test_what_is_no_dns_name_is_refused(name: str) -> None:
    assert reasons({**TLS, "dns": [name]}) == ["not a DNS name (RFC 1123)"]


@pytest.mark.parametrize("name", ["192.0.2.1", "1", "a.1", "999.999.999.999", "*.1"])
def test_an_address_is_no_dns_name(name: str) -> None:
    assert reasons({**TLS, "dns": [name]}) == ["an address, which is no DNS name"]


@pytest.mark.parametrize("address", ["192.0.2.1", "127.0.0.1", "::1", "2001:db8::1", "0.0.0.0"])
def test_addresses_are_taken(policy: Policy, address: str) -> None:
    policy.update({"ca": CA, "tls": {**TLS, "dns": [], "ip": [address]}})
    assert policy.certificate("tls").subject


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", "not an IP address"),
        ("localhost", "not an IP address"),
        ("192.0.2", "not an IP address"),
        ("192.0.2.1/24", "not an IP address"),
        ("192.0.2.1:443", "not an IP address"),
        ("192.0.2.01", "not an IP address"),
        ("\u0661.0.2.1", "not an IP address"),
        ("[::1]", "not an IP address"),
        (" ::1", "not an IP address"),
        ("2001:DB8::1", "not an IP address in its usual spelling"),
        ("2001:db8:0::1", "not an IP address in its usual spelling"),
        ("fe80::1%eth0", "not an IP address in its usual spelling"),
        ("::ffff:192.0.2.1", "not an IP address in its usual spelling"),
        ("::ffff:c000:201", "not an IP address in its usual spelling"),
    ],
)
def test_what_is_no_address_is_refused(address: str, reason: str) -> None:
    assert reasons({**TLS, "ip": [address]}) == [reason]


def test_common_names_are_counted_in_bytes() -> None:
    """As what writes certificates counts: 64 characters of two bytes each could be asked for, and never issued."""
    assert reasons({**CA, "common_name": "\u00fc" * 32 + "x"}) == ["a common name has at most 64 bytes of UTF-8"]


@pytest.mark.parametrize("base", [CA, TLS])
def test_common_names_are_what_a_person_sees(base: dict[str, Any]) -> None:
    for name in ("M\u00fcnchen \U0001f511", "x" * 64, "\u00fc" * 32):
        spec({**base, "common_name": name})
    for name in ("a\nb", "a\x00b", "a\x7fb", "a\x85b", "a\u202eb", "\u2066", "a\u2028b"):
        assert reasons({**base, "common_name": name}) == ["characters that do not show, or that move their neighbours"]
    for name in ("", "x" * 65):
        assert "String should have" in reasons({**base, "common_name": name})[0]


def test_the_number_of_names_is_limited_at_its_value() -> None:
    names, addresses = [f"a{n}.b" for n in range(64)], [f"192.0.2.{n}" for n in range(64)]
    spec({**TLS, "dns": names, "ip": addresses})
    assert "at most 64 items" in reasons({**TLS, "dns": [*names, "one.more"]})[0]
    assert "at most 64 items" in reasons({**TLS, "ip": [*addresses, "192.0.2.64"]})[0]


def test_a_server_without_a_name_is_refused() -> None:
    assert reasons({**TLS, "dns": []}) == ["a server's certificate without a name"]
    spec({**TLS, "dns": [], "usage": ["client"]})


@pytest.mark.parametrize("usage", [[], ["server", "server"], ["server", "client", "server"], ["email"], "server"])
def test_usages_are_named_once_each(usage: object) -> None:
    assert reasons({**TLS, "usage": usage})


@pytest.mark.parametrize("base", [CA, TLS])
@pytest.mark.parametrize(
    ("text", "good"), [("1h", True), ("3650d", True), ("59m", False), ("3651d", False), ("30", False)]
)
def test_validity_has_bounds(base: dict[str, Any], text: str, good: bool) -> None:
    if good:
        spec({**base, "valid_for": text})
        return
    assert reasons({**base, "valid_for": text})[0] in {"not a duration", "a duration out of bounds"}


@given(st.text(max_size=70), st.text(max_size=70), st.text(max_size=40))
def test_any_names_are_issued_or_refused(dns: str, common_name: str, ip: str) -> None:
    """What the form admits, the library that writes certificates admits as well."""
    for fields in ({"dns": [dns]}, {"common_name": common_name}, {"ip": [ip]}):
        try:
            spec({**TLS, **fields})
        except ValidationError:
            continue
        policy = Policy()
        policy.update({"ca": CA, "tls": {**TLS, **fields}})
        assert policy.certificate("tls")
