"""Signatures of answers: what a custodian writes, and what no shield and no client must believe."""

from __future__ import annotations

from scripts.vectors._form import Case, b64, key_text, render
from scripts.vectors._messages import ANSWER, Answer, Request, content_digest
from scripts.vectors._spoiled import headers_without, params_of_another_form, signatures_of_another_form

__all__ = ["document"]

GOOD = Answer()


def document() -> str:
    good = [
        GOOD.case("an answer"),
        Answer(status=403, body='{"code":"policy.denied"}').case("a refusal"),
        Answer(body="").case("an empty body"),
        Answer(created=0).case("the first second"),
        Answer(body="\u00e9").case("a body that is not ASCII"),
    ]
    return render(
        "signatures of answers to one request, by the key of an instance certificate; `step` is the check that refuses",
        request_signature=GOOD.request.headers()["signature"],
        instance_key=key_text("instance"),
        good=good,
        hostile=[*_changed(), *_other_answers(), *_other_forms()],
    )


def _changed() -> list[Case]:
    verify = "signature.verify"
    other = {**GOOD.headers(), "content-digest": content_digest("{}")}
    return [
        GOOD.case("another status", status=201, step=verify),
        GOOD.case("another body", body="{}", step="signature.content"),
        GOOD.case("a body that lost its last byte", body=GOOD.body[:-1], step="signature.content"),
        GOOD.case("another body with its digest", body="{}", headers=other, step=verify),
        GOOD.case("another certificate", headers={**GOOD.headers(), "casemate-instance": "e31"}, step=verify),
        GOOD.case("the digest of another hash", headers=_digest("sha-512"), step=verify),
        GOOD.case("two digests", headers=_digest("sha-256=:AA==:, sha-256"), step=verify),
    ]


def _digest(name: str) -> dict[str, str]:
    return {**GOOD.headers(), "content-digest": GOOD.headers()["content-digest"].replace("sha-256", name)}


def _other_answers() -> list[Case]:
    """Genuine signatures of other messages."""
    unbound = GOOD.params.replace(' "signature";req;key="casemate"', "")
    request = Request(text=GOOD.params, key="instance").headers()
    return [
        Answer(request=Request(nonce="two")).case("an answer to another request", step="signature.verify"),
        Answer(text=unbound, bound=False).case("an answer to nobody", step="signature.form"),
        Answer(bound=False).case("an answer that only says whom it answers", step="signature.verify"),
        Answer(key="stranger").case("another key, which it names", step="signature.key"),
        Answer(key="stranger", text=GOOD.params).case("another key under the right name", step="signature.verify"),
        GOOD.case("the request's own signature", headers={**GOOD.headers(), **request}, step="signature.verify"),
        GOOD.case("a signature of zeros", headers={**GOOD.headers(), "signature": _zeros()}, step="signature.verify"),
    ]


def _zeros() -> str:
    return f"casemate=:{b64(bytes(64))}:"


def _other_forms() -> list[Case]:
    params = GOOD.params
    forms = params_of_another_form(params, ANSWER) | {
        "components in another order": params.replace('"@status" "content-digest"', '"content-digest" "@status"'),
        "without the certificate": params.replace(' "casemate-instance"', ""),
        "without the status": params.replace('"@status" ', ""),
        "bound to another label": params.replace('key="casemate"', 'key="other"'),
        "the tag of requests": params.replace("casemate-response-v1", "casemate-request-v1"),
        "with a nonce": params.replace(";keyid", ';nonce="AAAAAAAAAAAAAAAAAAAAAA";keyid'),
    }
    cases = [Answer(text=text).case(name, step="signature.form") for name, text in forms.items()]
    spoiled = headers_without(GOOD.headers()) | signatures_of_another_form(GOOD.headers())
    steps = {"without content-digest": "signature.verify", "without casemate-instance": "signature.verify"}
    return cases + [
        GOOD.case(name, headers=headers, step=steps.get(name, "signature.form")) for name, headers in spoiled.items()
    ]
