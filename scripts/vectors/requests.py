"""Signatures of requests: what a shield or a person writes, and what a custodian must not believe."""

from __future__ import annotations

from scripts.vectors._form import Case, b64, b64u, key_text, render, seed
from scripts.vectors._messages import REQUEST, Request, content_digest
from scripts.vectors._spoiled import headers_without, params_of_another_form, signatures_of_another_form

__all__ = ["document"]

GOOD = Request()


def document() -> str:
    good = [
        _good("a challenge", GOOD),
        _good("an attestation", Request(path="/v1/attestations", body='{"nonce":"\\u00e9"}', nonce="two")),
        _good("an empty body", Request(method="GET", path="/v1/custodian", body="", key="alice")),
        _good("a query", Request(method="GET", path="/v1/policies", query="name=acme%2Frecords", body="")),
        _good("the first second", Request(created=0)),
        _good("the last second", Request(created=999_999_999_999)),
    ]
    return render(
        "signatures of requests; `seed` is the Ed25519 private key; `step` is the check that refuses",
        good=good,
        hostile=[*_changed(), *_other_signers(), *_other_forms()],
    )


def _good(name: str, request: Request) -> Case:
    facts = {"seed": b64u(seed(request.key)), "key": key_text(request.key), "created": request.created}
    return request.case(name, **facts, nonce=b64u(seed(request.nonce)[:16]))


def _changed() -> list[Case]:
    """The genuine headers, with another request under them."""
    verify, content = "signature.verify", "signature.content"
    digest = {**GOOD.headers(), "content-digest": content_digest('{"a":1}')}
    return [
        GOOD.case("another method", method="PUT", step=verify),
        GOOD.case("a method in small letters", method="post", step=verify),
        GOOD.case("another path", path="/v1/attestations", step=verify),
        GOOD.case("another spelling of the path", path="/v1/%63hallenges", step=verify),
        GOOD.case("a path that ends with a slash", path="/v1/challenges/", step=verify),
        GOOD.case("a query that was not signed", query="limit=1", step=verify),
        GOOD.case("another body", body='{"a":1}', step=content),
        GOOD.case("a body with a space", body="{} ", step=content),
        GOOD.case("another body with its digest", body='{"a":1}', headers=digest, step=verify),
        GOOD.case("a line break in the path", path='/v1/challenges\n"@query": ?', step="signature.form"),
        GOOD.case("a path that is not ASCII", path="/v1/challengé", step="signature.form"),
    ]


def _other_signers() -> list[Case]:
    genuine, stranger = GOOD.headers(), Request(key="stranger").headers()
    verify = "signature.verify"
    mixed = {
        "another key's signature": {**genuine, "signature": stranger["signature"]},
        "another key's parameters": {**genuine, "signature-input": stranger["signature-input"]},
        "another time": {**genuine, "signature-input": genuine["signature-input"].replace("421700", "421701")},
        "another nonce": {**genuine, "signature-input": Request(nonce="two").headers()["signature-input"]},
        "a signature of zeros": {**genuine, "signature": f"casemate=:{b64(bytes(64))}:"},
        "a signature of another request": {**genuine, "signature": Request(nonce="two").headers()["signature"]},
    }
    return [GOOD.case(name, headers=headers, step=verify) for name, headers in mixed.items()]


def _other_forms() -> list[Case]:
    params = GOOD.params
    nonce = b64u(seed("nonce")[:16])
    # Each is signed as it is written: only its form is wrong.
    forms = params_of_another_form(params, REQUEST) | {
        "components in another order": params.replace('"@method" "@path"', '"@path" "@method"'),
        "without the query": params.replace(' "@query"', ""),
        "without the digest": params.replace(' "content-digest"', ""),
        "one component more": params.replace('content-digest")', 'content-digest" "host")'),
        "parameters in another order": params.replace(f';nonce="{nonce}"', "") + f';nonce="{nonce}"',
        "the tag of answers": params.replace("casemate-request-v1", "casemate-response-v1"),
        "a short nonce": params.replace(nonce, nonce[:-1]),
        "a long nonce": params.replace(nonce, nonce + "A"),
        "a nonce with stray bits": params.replace(nonce, nonce[:-1] + chr(ord(nonce[-1]) + 1)),
        "a nonce of the other alphabet": params.replace(nonce, "+/" + nonce[2:]),
    }
    cases = [Request(text=text).case(name, step="signature.form") for name, text in forms.items()]
    spoiled = headers_without(GOOD.headers()) | signatures_of_another_form(GOOD.headers())
    steps = {"without content-digest": "signature.content"}
    return cases + [
        GOOD.case(name, headers=headers, step=steps.get(name, "signature.form")) for name, headers in spoiled.items()
    ]
