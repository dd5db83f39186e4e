"""Signed requests and answers (spec/protocol.md, "HTTP message signatures"), with every part open to be changed."""

from __future__ import annotations

from dataclasses import dataclass, field

from scripts.vectors._form import Case, b64, b64u, key_text, seed, sha256, signing_key

__all__ = ["ANSWER", "REQUEST", "Answer", "Request", "content_digest"]

REQUEST = '("@method" "@path" "@query" "content-digest")'
ANSWER = '("@status" "content-digest" "casemate-instance" "signature";req;key="casemate")'


def content_digest(body: str) -> str:
    return f"sha-256=:{b64(sha256(body.encode()))}:"


@dataclass(frozen=True)
class Request:
    """What is signed. `text` are the parameters as they are written; None stands for the documented ones."""

    method: str = "POST"
    path: str = "/v1/challenges"
    query: str = ""
    body: str = "{}"
    created: int = 1_795_421_700
    nonce: str = "nonce"
    key: str = "shield"
    text: str | None = None

    @property
    def params(self) -> str:
        if self.text is not None:
            return self.text
        return (
            f'{REQUEST};created={self.created};nonce="{b64u(seed(self.nonce)[:16])}"'
            f';keyid="{key_text(self.key)}";alg="ed25519";tag="casemate-request-v1"'
        )

    def headers(self) -> dict[str, str]:
        digest = content_digest(self.body)
        base = (
            f'"@method": {self.method}\n"@path": {self.path}\n"@query": ?{self.query}\n'
            f'"content-digest": {digest}\n"@signature-params": {self.params}'
        )
        return {
            "content-digest": digest,
            "signature-input": f"casemate={self.params}",
            "signature": f"casemate=:{b64(signing_key(self.key).sign(base.encode()))}:",
        }

    def case(self, name: str, **changed: object) -> Case:
        message = {"method": self.method, "path": self.path, "query": self.query, "body": self.body}
        return {"name": name, **message, "headers": self.headers(), **changed}


@dataclass(frozen=True)
class Answer:
    """As `Request`. `instance` is the Casemate-Instance header, `request` what is answered."""

    status: int = 200
    body: str = '{"nonce":"AAAA"}'
    instance: str = "e30"
    created: int = 1_795_421_701
    key: str = "instance"
    request: Request = field(default_factory=Request)
    text: str | None = None
    bound: bool = True

    @property
    def params(self) -> str:
        if self.text is not None:
            return self.text
        return f'{ANSWER};created={self.created};keyid="{key_text(self.key)}";alg="ed25519";tag="casemate-response-v1"'

    def headers(self) -> dict[str, str]:
        digest = content_digest(self.body)
        asked = self.request.headers()["signature"].removeprefix("casemate=")
        binding = f'"signature";req;key="casemate": {asked}\n' if self.bound else ""
        base = (
            f'"@status": {self.status}\n"content-digest": {digest}\n"casemate-instance": {self.instance}\n'
            f'{binding}"@signature-params": {self.params}'
        )
        return {
            "content-digest": digest,
            "casemate-instance": self.instance,
            "signature-input": f"casemate={self.params}",
            "signature": f"casemate=:{b64(signing_key(self.key).sign(base.encode()))}:",
        }

    def case(self, name: str, **changed: object) -> Case:
        message = {"status": self.status, "body": self.body}
        return {"name": name, **message, "headers": self.headers(), **changed}
