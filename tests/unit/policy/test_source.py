"""`casemate policy check`: line, column, what is wrong, what to write instead."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import PolicySyntaxError
from casemate.policy._yaml import MAX_YAML_DEPTH
from casemate.policy.model import PolicyDocument
from casemate.policy.source import MAX_SOURCE_BYTES, Finding, check, load
from casemate.wire import canonical

SHA256 = "sha256:" + "0" * 64
SHA384 = "sha384:" + "0" * 96
KEY = "ed25519:YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE"
OTHER_KEY = "ed25519:YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI"
BOOTED = ", ".join(f"pcr{number}: [aa]" for number in (0, 4, 7, 8, 9, 12))
GOOD = f"""\
casemate: 1
policy: acme/records
genesis: "{SHA256}"
principals:
  alice: {{key: "{KEY}"}}
  robert: {{key: "{OTHER_KEY}"}}
access:
  read: {{any: [alice, robert]}}
  update: {{all: [alice]}}
services:
  api:
    workload: {{manifest: "{SHA256}"}}
    runtime: {{measurement: "{SHA384}"}}
    platforms: [simulated]
    holes: {{port: "8080"}}
    environment: {{PASSWORD: "{{{{ secret.password }}}}"}}
    files:
      /run/key.pem: {{content: "{{{{ secret.tls.private_key }}}}", mode: "0400"}}
    user: {{uid: 1000, gid: 1000}}
    lease: "300s"
secrets:
  password: {{kind: random, bytes: 24}}
  ca: {{kind: x509-ca, common_name: records CA}}
  tls: {{kind: x509, issuer: ca, dns: [api.records]}}
"""


def findings(schemas: Any, old: str, new: str) -> list[Finding]:
    assert GOOD.count(old) == 1, f"{old!r} must occur once"
    return check(GOOD.replace(old, new), schemas)


def test_a_good_policy_has_no_findings_and_loads(schemas: Any) -> None:
    assert check(GOOD, schemas) == []
    document = load(GOOD, schemas)
    assert document.services["api"].lease_seconds == 300
    assert document.to_object() == yaml.safe_load(GOOD)
    assert load(GOOD.encode(), schemas) == document


CASES = [
    # numbers and words that YAML readers disagree about
    ('mode: "0400"', "mode: 0400", 18, 69, "0400 may be read as a number in another notation", '"0400"'),
    ('mode: "0400"', "mode: 400", 18, 69, "mode: a number or flag where text belongs", 'in quotes: "400"'),
    ('port: "8080"', "port: 8080", 15, 19, "a number or flag where text belongs", '"8080"'),
    ('port: "8080"', "port: 1.10", 15, 19, "1.10 may be read as a number with a fraction", '"1.10"'),
    ('port: "8080"', "port: 12:30:45", 15, 19, "12:30:45 may be read as a number in another notation", '"12:30:45"'),
    ('port: "8080"', "port: 0o17", 15, 19, "0o17 may be read as something else", '"0o17"'),
    ('port: "8080"', "port: 0x1f", 15, 19, "0x1f may be read as a number in another notation", '"0x1f"'),
    ('port: "8080"', "port: 1_000", 15, 19, "1_000 may be read as a number in another notation", '"1_000"'),
    ('port: "8080"', "port: +1", 15, 19, "+1 may be read as a number in another notation", '"+1"'),
    ('port: "8080"', "port: 9007199254740992", 15, 19, "may be read as a number in another notation", "in quotes"),
    ('port: "8080"', "port: 2026-11-23", 15, 19, "2026-11-23 may be read as a date", '"2026-11-23"'),
    ('port: "8080"', "port: .inf", 15, 19, ".inf may be read as a number with a fraction", '".inf"'),
    ('port: "8080"', "port: no", 15, 19, "no may be read as a flag", '"no"'),
    ('port: "8080"', "port: Off", 15, 19, "Off may be read as a flag", '"Off"'),
    ('port: "8080"', "port: y", 15, 19, "y may be read as something else", '"y"'),
    ('port: "8080"', "port: Null", 15, 19, "Null may be read as nothing", '"Null"'),
    ('port: "8080"', "port: true", 15, 19, "a number or flag where text belongs", 'in quotes: "true"'),
    ('port: "8080"', "port: ", 15, 18, "services.api.holes.port: nothing is written here", "leave the field out"),
    ('port: "8080"', "on: x", 15, 13, "on may be read as a flag", '"on"'),
    ('port: "8080"', "5: x", 15, 13, "'5' is not the name of a field", '"5"'),
    ('port: "8080"', "=: x", 15, 13, "= may be read as a default value", "in quotes"),
    ('port: "8080"', "<<: {a: b}", 15, 13, "<< may be read as a merge of other fields", "in quotes"),
    # YAML that is not used
    (
        "platforms: [simulated]",
        "platforms: &p [simulated]",
        14,
        16,
        "'&p' names a value to be repeated",
        "write values",
    ),
    ('port: "8080"', 'port: !!str "8080"', 15, 19, "gives a value a type", "leave the tag out"),
    ('port: "8080"', "port: *p", 15, 19, "'*p' refers to another place", "write the value out"),
    ('port: "8080"', '[a]: "8080"', 15, 13, "where the name of a field belongs", "write a name"),
    ("casemate: 1\n", "%YAML 1.1\n---\ncasemate: 1\n", 1, 1, "YAML directives are not used here", "remove the line"),
    (
        "user: {uid",
        "policy: x\n    policy: y\n    user: {uid",
        20,
        5,
        "'policy' is already written in line 19",
        "keep one",
    ),
    ("secrets:", "---\nsecrets:", 21, 1, "a second document begins", "one policy a file"),
    ("    user", "\t   user", 19, 1, "not YAML", None),
    (
        "user: {uid: 1000",
        "user: {uid: 1000, uid: 5",
        19,
        23,
        "'uid' is already written in line 19",
        "keep one of the two",
    ),
    # names that do not exist
    ("update: {all: [alice]}", "update: {all: [alise]}", 9, 18, "there is no principal 'alise'", "mean 'alice'?"),
    ("genesis:", "genesys:", 3, 1, "unknown field 'genesys'", "did you mean 'genesis'?"),
    ("platforms: [simulated]", "platfroms: [simulated]", 14, 5, "unknown field 'platfroms'", "mean 'platforms'?"),
    (
        "user: {uid",
        "network: {a: b}\n    user: {uid",
        19,
        5,
        "'network' is not supported by this version",
        "leave it out",
    ),
    ("platforms: [simulated]", "platforms: [sev-snpp]", 14, 17, "there is no platform 'sev-snpp'", "mean 'sev-snp'?"),
    ("platforms: [simulated]", "platforms: [tpm]", 14, 17, "anybody's TPM would do", "require its name"),
    (
        "[simulated]",
        f"{{tpm: {{require: {{key: [aa], {BOOTED}}}}}}}",
        14,
        17,
        "anybody's TPM",
        "require its name",
    ),
    (
        "[simulated]",
        f"{{tpm: {{require: {{authority: [google], {BOOTED}}}}}}}",
        14,
        17,
        "anybody's TPM would do",
        "require its name",
    ),
    ("[simulated]", "[tdx]", 14, 17, "whoever sends evidence chooses the mildest", "evaluation"),
    ("[simulated]", "{sgx: {tcb: {isv: 3}}}", 14, 17, "chooses the mildest", "evaluation"),
    (
        "[simulated]",
        "{sgx: {tcb: {evaluation: 17, isv: 3}}}",
        14,
        45,
        "isv is what whoever signed it says",
        "require mrsigner too",
    ),
    (
        "[simulated]",
        "{simulated: {require: {image_id: [aa]}}}",
        14,
        39,
        "image_id is what whoever signed it says",
        "require id_key_digest too",
    ),
    ("[simulated]", "{tpm: {require: {pcr16: [aa]}}}", 14, 33, "tpm has no 'pcr16'", "did you mean 'pcr6'"),
    (
        "[simulated]",
        "{tpm: {require: {name: [aa]}}}",
        14,
        17,
        "not all is said of what booted",
        "casemate evidence collect",
    ),
    ("[simulated]", "{sev-snpp: {}}", 14, 17, "there is no platform 'sev-snpp'", "mean 'sev-snp'?"),
    ("[simulated]", "{}", 14, 16, "at least 1", "write at least 1"),
    ("[simulated]", "{simulated: {tcb: {snpp: 1}}}", 14, 35, "simulated has no 'snpp'", "mean 'snp'?"),
    ("[simulated]", "{simulated: {tcb: {snp: -1}}}", 14, 40, "greater than or equal to 0", "at least 0"),
    ("[simulated]", "{simulated: {tcb: {snp: 65536}}}", 14, 40, "less than or equal to 65535", "at most 65535"),
    ("[simulated]", "{simulated: {tcp: {}}}", 14, 29, "unknown field 'tcp'", "mean 'tcb'?"),
    (
        "[simulated]",
        "{simulated: {require: {chip: [aa]}}}",
        14,
        39,
        "simulated has no 'chip'",
        "did you mean 'chip_id'?",
    ),
    ("[simulated]", "{simulated: {require: {smt: []}}}", 14, 44, "at least 1 item", "write at least 1"),
    ("[simulated]", '{simulated: {require: {smt: ["\u00e4"]}}}', 14, 45, "not a value of a platform", "prints it"),
    (
        "[simulated]",
        '{simulated: {waive: [{until: "2027-01-31"}]}}',
        14,
        37,
        "a waiver of one thing",
        "status: … or lacks",
    ),
    (
        "[simulated]",
        '{tdx: {waive: [{status: revoked, until: "2027-01-31"}]}}',
        14,
        40,
        "'revoked' cannot be waived",
        "configuration-needed, out-of-date",
    ),
    (
        "[simulated]",
        '{simulated: {waive: [{lacks: rcl, until: "2027-01-31"}]}}',
        14,
        45,
        "'rcl' cannot be waived",
        "what can be waived is crl",
    ),
    (
        "[simulated]",
        '{nitro: {waive: [{lacks: crl, until: "2027-01-31"}]}}',
        14,
        41,
        "'crl' cannot be waived",
        "leave the",
    ),
    (
        "[simulated]",
        f'{{tpm: {{require: {{name: [aa], {BOOTED}}}, waive: [{{lacks: authority, until: "2027-01-31"}}]}}}}',
        14,
        135,
        "'authority' cannot be waived",
        "what can be waived is crl",
    ),
    ("[simulated]", '{simulated: {waive: [{lacks: crl, until: "2027-1-31"}]}}', 14, 57, "not a day", "2027-01-31"),
    ("[simulated]", '{simulated: {waive: [{lacks: crl, until: "2027-02-31"}]}}', 14, 57, "not a day", "2027-01-31"),
    (
        "[simulated]",
        '{simulated: {waive: [{lacks: crl, advisories: [A], until: "2027-01-31"}]}}',
        14,
        37,
        "advisories belong to a status",
        "leave them out",
    ),
    ("platforms: [simulated]", "platforms: [simulated, simulated]", 14, 28, "simulated is listed twice", "once"),
    (
        f'measurement: "{SHA384}"',
        f'measurements: {{tdx: ["{SHA384}"]}}',
        13,
        30,
        "tdx is not among the service's platforms",
        "list it there",
    ),
    (
        f'measurement: "{SHA384}"',
        f'measurements: {{tdxx: ["{SHA384}"]}}',
        13,
        30,
        "there is no platform",
        "mean 'tdx'?",
    ),
    (
        f'measurement: "{SHA384}"',
        f'measurements: {{simulated: ["{SHA256}"]}}',
        13,
        42,
        "measures with sha384",
        "sha384:…",
    ),
    (f'measurement: "{SHA384}"', "measurements: {}", 13, 29, "at least 1 item", "at least 1"),
    (
        f'measurement: "{SHA384}"',
        f'measurement: "{SHA384}", measurements: {{simulated: ["{SHA384}"]}}',
        13,
        14,
        "one measurement, or measurements by platform",
        "sev-snp",
    ),
    ("kind: random", "kind: randm", 22, 20, "there is no such kind of secret", "did you mean 'random'?"),
    ("kind: random, ", "", 22, 3, "secrets.password: the field 'kind' is missing", "random, x509-ca, x509"),
    ("{{ secret.password }}", "{{ secret.pasword }}", 16, 29, "there is no secret 'pasword'", "secret.password"),
    ("tls.private_key", "tls.privat_key", 18, 31, "(x509) has no part 'privat_key'", "mean 'private_key'?"),
    ("tls.private_key", "password.key", 18, 31, "(random) has no part 'key'", "its parts are value"),
    ("{{ secret.password }}", "{{ secret.password", 16, 29, "'{{' without its '}}', at character 1", "secret.NAME"),
    # secrets
    ("issuer: ca", "issuer: caa", 24, 29, "there is no secret 'caa'", "did you mean 'ca'?"),
    ("issuer: ca", "issuer: password", 24, 29, "'password' is of kind random, which issues nothing here", "x509-ca"),
    (
        "common_name: records CA",
        "common_name: CA, issuer: ca",
        23,
        48,
        "the issuers go round in a circle",
        "issues itself",
    ),
    ("bytes: 24", "byts: 24", 22, 28, "unknown field 'byts'", "did you mean 'bytes'?"),
    ("bytes: 24", 'bytes: "24"', 22, 35, "secrets.password.bytes: expected a whole number, got text", "a whole number"),
    ("bytes: 24", "bytes: 24, rotate: -1", 22, 47, "not a whole number from 0 up", "rotate: 1"),
    ("issuer: ca", 'issuer: ca, rotate: "1"', 24, 41, "not a whole number from 0 up", "rotate: 1"),
    # rules and principals
    (OTHER_KEY, KEY, 6, 17, "the same key as alice", "a key of its own"),
    (OTHER_KEY, OTHER_KEY[:-1] + "J", 6, 17, "not a public key", "casemate identity show"),
    (OTHER_KEY, "ed25519:x", 6, 17, "principals.robert.key: not of the right form", "casemate identity show"),
    ("[alice, robert]", "[alice, alice]", 8, 23, "alice is named twice in one list", "once"),
    ("[alice, robert]", "[]", 8, 15, "expected a list of principals or rules", "at least one"),
    ("[alice, robert]", f"[{', '.join(['alice'] * 65)}]", 8, 15, "more than 64 members", "nest"),
    ("{all: [alice]}", "alice", 9, 11, "not an access rule", "{any: […]}"),
    ("{all: [alice]}", "{some: [alice]}", 9, 11, "not an access rule", "{any: […]}"),
    ("{all: [alice]}", "{all: [alice], any: [alice]}", 9, 12, "unknown field 'all'", "any"),
    ("{all: [alice]}", "{of: [alice]}", 9, 3, "the field 'at_least' is missing", "how many"),
    ("{all: [alice]}", "{at_least: 2, of: [alice]}", 9, 22, "2 of 1 can never be reached", "at most 1"),
    ("{all: [alice]}", "{at_least: 0, of: [alice]}", 9, 22, "expected a number from 1 up", "how many"),
    # text forms
    ("policy: acme/records", "policy: Acme/records", 2, 9, "policy: not of the right form", "in lower case"),
    ("  api:", "  API:", 11, 3, "services.API: not a valid name", "lower-case"),
    ("/run/key.pem", "/etc/key.pem", 18, 7, "below /run only", None),
    ("/run/key.pem", "/run/casemate/x", 18, 7, "keeps for itself", None),
    ("/run/key.pem", "/run/../etc/x", 18, 7, "not normalised", None),
    ('mode: "0400"', 'mode: "4755"', 18, 69, "mode: not of the right form", "four octal digits in quotes"),
    ('lease: "300s"', 'lease: "4s"', 20, 12, 'a lease lasts from "5s" to "24h"', None),
    ('lease: "300s"', 'lease: "25h"', 20, 12, 'a lease lasts from "5s" to "24h"', None),
    ('lease: "300s"', 'lease: "5 minutes"', 20, 12, "not a duration", None),
    ('lease: "300s"', "lease: 300", 20, 12, "a number or flag where text belongs", 'in quotes: "300"'),
    ("uid: 1000", 'uid: "1000"', 19, 17, "expected a whole number, got text", "a whole number"),
    ("casemate: 1\n", "casemate: 2\n", 1, 11, "casemate: input should be 1", "write 1"),
    ("PASSWORD:", "LD_PRELOAD:", 16, 19, "LD_PRELOAD steers loaders", "in the launch manifest"),
    ('port: "8080"', 'PASSWORD: "x"', 16, 19, "'PASSWORD' is filled under 'holes' too", "keep one of the two"),
    ("    platforms: [simulated]\n", "", 11, 3, "services.api: the field 'platforms' is missing", "add 'platforms: …'"),
    ("platforms: [simulated]", "platforms: simulated", 14, 16, "expected a list, got text", "write a list"),
]


@pytest.mark.parametrize(("old", "new", "line", "column", "message", "remedy"), CASES)
def test_a_mistake_is_told_with_its_place_and_what_to_write(
    schemas: Any, old: str, new: str, line: int, column: int, message: str, remedy: str | None
) -> None:
    found = findings(schemas, old, new)
    matching = [finding for finding in found if message in finding.message]
    assert matching, found
    assert (matching[0].line, matching[0].column) == (line, column), matching[0]
    if remedy is not None:
        assert matching[0].remedy is not None
        assert remedy in matching[0].remedy
    with pytest.raises(PolicySyntaxError) as caught:
        load(GOOD.replace(old, new), schemas)
    assert (caught.value.line, caught.value.column, caught.value.message) == (
        found[0].line,
        found[0].column,
        found[0].message,
    )


def test_all_mistakes_are_told_in_the_order_of_the_text(schemas: Any) -> None:
    text = GOOD.replace("policy: acme", "policy: Acme").replace('"8080"', "no").replace("random", "randm")
    text = text.replace("    platforms: [simulated]\n", "").replace(f'    workload: {{manifest: "{SHA256}"}}\n', "")
    found = check(text, schemas)
    assert [finding.line for finding in found] == [2, 11, 11, 13, 20]
    assert found == sorted(found, key=lambda finding: (finding.line, finding.column))


def test_words_in_quotes_are_text_whatever_they_look_like(schemas: Any) -> None:
    for word in ("no", "0400", "1.10", "null", "2026-11-23", "<<", "5"):
        for quoted in (f'"{word}"', f"'{word}'", f"|-\n        {word}"):
            text = GOOD.replace('{port: "8080"}', f"\n      port: {quoted}")
            assert load(text, schemas).services["api"].holes["port"].template.literal == word


@pytest.mark.parametrize("text", ["", "   \n# nothing\n", "~", "5", "text", "[]", "- a", "---\n"])
def test_what_is_no_policy_is_told(schemas: Any, text: str) -> None:
    found = check(text, schemas)
    assert len(found) == 1
    assert found[0].message in {"not a policy: expected fields with values", "the file is empty"}


def test_other_encodings_are_told_with_their_place(schemas: Any) -> None:
    data = GOOD.encode().replace(b"records CA", b"rec\xe9rds CA")
    assert check(data, schemas) == [Finding(23, 39, "not UTF-8", "save the file as UTF-8")]
    assert check(GOOD.encode("utf-16"), schemas)[0].message == "not UTF-8"
    assert check("policy: \ud800", schemas)[0].message == "text that is not Unicode"


def test_half_characters_in_escapes_are_told(schemas: Any) -> None:
    assert findings(schemas, '"8080"', '"\\ud800"')[0].message == "half of a character pair"
    assert findings(schemas, 'port: "8080"', '"\\ud800": x')[0].message == "half of a character pair"


def test_escapes_for_characters_that_do_not_exist_are_told(schemas: Any) -> None:
    assert "does not exist" in findings(schemas, '"8080"', '"\\UFFFFFFFF"')[0].message


def test_control_characters_are_told_with_their_place(schemas: Any) -> None:
    found = findings(schemas, '"8080"', '"80\x0180"')
    assert found == [Finding(15, 22, "a character that YAML does not allow", "remove it")]


@pytest.mark.parametrize("hidden", ["\x85", "\u2028", "\u2029", "\r"])
def test_line_breaks_that_do_not_show_are_told_with_their_place(schemas: Any, hidden: str) -> None:
    """After a comment, what a person takes for the comment's end would be the policy's text."""
    found = check(f"casemate: 1\n# note{hidden}policy: acme/other\n", schemas)
    assert found == [Finding(2, 7, "a line break that editors do not show", "write it as an escape, or remove it")]


def test_the_size_of_a_file_is_limited(schemas: Any) -> None:
    padding = MAX_SOURCE_BYTES - len(GOOD.encode())
    lines, rest = divmod(padding, 1024)
    text = GOOD + ("#" * 1023 + "\n") * lines + "\n" * rest
    assert check(text, schemas) == []
    found = check(text + "\n", schemas)
    assert len(found) == 1
    assert str(MAX_SOURCE_BYTES + 1) in found[0].message


def test_the_depth_of_nesting_is_limited(schemas: Any) -> None:
    def nested(levels: int) -> str:
        return "a: " + "[" * (levels - 1) + "]" * (levels - 1)

    assert "nested deeper" not in str(check(nested(MAX_YAML_DEPTH), schemas))
    found = check(nested(MAX_YAML_DEPTH + 1), schemas)
    assert found[0].message == f"nested deeper than {MAX_YAML_DEPTH} levels"
    assert "nested deeper" in check("[" * 200_000, schemas)[0].message


@given(text=st.text())
def test_any_text_is_a_policy_or_a_syntax_error(schemas: Any, text: str) -> None:
    assert_total(text, schemas)


@given(data=st.data())
def test_any_damage_is_a_policy_or_a_syntax_error(schemas: Any, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(GOOD)))
    end = data.draw(st.integers(start, min(len(GOOD), start + 40)))
    inserted = data.draw(
        st.text(alphabet=st.sampled_from(" \n\t:-[]{},\"'&*!|>%@`#?~<=.0159aeonyx\\\u2028é"), max_size=8)
    )
    assert_total(GOOD[:start] + inserted + GOOD[end:], schemas)


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_policy_or_a_syntax_error(schemas: Any, data: bytes) -> None:
    assert_total(data, schemas)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
FIELDS = ["principals", "access", "services", "secrets", "policy", "genesis", "casemate", "predecessor"]
SERVICE_FIELDS = ["workload", "runtime", "platforms", "holes", "environment", "files", "user", "lease"]


@given(
    field=st.sampled_from([*FIELDS, *SERVICE_FIELDS, "password", "ca", "tls", "read", "update", "alice"]), value=JSON
)
def test_any_value_in_any_field_is_a_policy_or_a_syntax_error(schemas: Any, field: str, value: Any) -> None:
    whole = yaml.safe_load(GOOD)
    for folder in (whole, whole["services"]["api"], whole["secrets"], whole["access"], whole["principals"]):
        if field in folder:
            folder[field] = value
    assert_total(json.dumps(whole), schemas)


def assert_total(text: str | bytes, schemas: Any) -> None:
    found = check(text, schemas)
    lines = (text if isinstance(text, str) else text.decode("utf-8", "replace")).count("\n") + 2
    assert all(1 <= finding.line <= lines and finding.column >= 1 for finding in found)
    if found:
        with pytest.raises(PolicySyntaxError) as caught:
            load(text, schemas)
        assert (caught.value.line, caught.value.column) == (found[0].line, found[0].column)
    else:
        assert isinstance(load(text, schemas), PolicyDocument)


@given(rng=st.randoms())
def test_the_version_does_not_depend_on_the_order_or_style_of_the_text(schemas: Any, rng: random.Random) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            names = list(value)
            rng.shuffle(names)
            return {name: shuffled(value[name]) for name in names}
        return value

    whole = shuffled(yaml.safe_load(GOOD))
    expected = load(GOOD, schemas)
    for text in (json.dumps(whole), yaml.safe_dump(whole, sort_keys=False), yaml.safe_dump(whole)):
        document = load(text, schemas)
        assert document.version == expected.version
        assert document.data == expected.data == canonical.encode(whole)
