"""spec/openapi.json from the routes and models: `python -m casemate.custodian.openapi > spec/openapi.json`.

The output depends on the code alone: names are sorted, nothing of the machine is in it.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from casemate.custodian.app import bare_app
from casemate.custodian.problems import CODES
from casemate.custodian.routes.custodian import KeySet
from casemate.custodian.routes.health import Health
from casemate.custodian.settings import VERSION
from casemate.wire import custodian, policies, release, volumes
from casemate.wire.fields import Model
from casemate.wire.problem import PROBLEM_TYPE, Problem

__all__ = ["document", "render"]

_MODELS: Final[tuple[type[Model], ...]] = (
    custodian.CustodianAnswer,
    custodian.CustodianAttestationAnswer,
    custodian.CustodianAttestationRequest,
    release.AttestationAnswer,
    release.AttestationRequest,
    release.ChallengeAnswer,
    release.ChallengeRequest,
    release.RenewalAnswer,
    release.RenewalRequest,
    policies.DecisionAnswer,
    policies.DecisionsAnswer,
    policies.PolicyAnswer,
    policies.PolicyCreation,
    policies.PolicyLookup,
    policies.PolicyUpdate,
    policies.VersionAnswer,
    policies.VersionsAnswer,
    volumes.VolumeAnswer,
    volumes.VolumeLeaseAnswer,
    volumes.VolumeLeaseRequest,
    volumes.VolumeRekey,
    volumes.VolumeRequest,
    Problem,
    Health,
    KeySet,
)

_DESCRIPTION: Final = (
    "Requests and answers are signed (RFC 9421); spec/protocol.md says over what, and what each call means. "
    "Unknown fields, duplicate names, floating-point numbers and unknown query parameters are refused."
)

_REQUEST_HEADERS: Final = ("Content-Digest", "Signature-Input", "Signature")
_ANSWER_HEADERS: Final = ("Content-Digest", "Signature-Input", "Signature", "Casemate-Instance")


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    made = get_openapi(
        title="Casemate custodian",
        version=VERSION,
        openapi_version="3.1.0",
        description=_DESCRIPTION,
        routes=bare_app().routes,
    )
    made["components"] = {
        "schemas": _schemas(),
        "parameters": _parameters(),
        "headers": _headers(),
        "responses": _refusals(),
    }
    for path, item in made["paths"].items():
        for operation in item.values():
            _complete(path, operation)
    return made


def render() -> str:
    return json.dumps(document(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _schemas() -> dict[str, Any]:
    _, schemas = models_json_schema(
        [(model, "serialization" if model.__name__.endswith("Answer") else "validation") for model in _MODELS],
        ref_template="#/components/schemas/{model}",
        by_alias=True,
    )
    found: dict[str, Any] = schemas["$defs"]
    return found


def _parameters() -> dict[str, Any]:
    return {
        name: {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
        for name in _REQUEST_HEADERS
    }


def _headers() -> dict[str, Any]:
    return {name: {"required": True, "schema": {"type": "string"}} for name in _ANSWER_HEADERS}


def _refusals() -> dict[str, Any]:
    """One response for each status, which tells the codes that it can hold."""
    by_status: dict[int, list[str]] = {}
    for code, (status, _) in CODES.items():
        by_status.setdefault(status, []).append(code)
    return {
        f"refused-{status}": {
            "description": "Refused: " + ", ".join(sorted(codes)),
            "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            "headers": _answer_headers(),
        }
        for status, codes in by_status.items()
    }


def _complete(path: str, operation: dict[str, Any]) -> None:
    """The signature's headers on requests and answers, and what can be refused."""
    operation["operationId"] = operation["summary"].lower().replace(" ", "_")
    operation["parameters"] = [*operation.get("parameters", []), *_path_parameters(path)]
    # FastAPI's own validation answer is none of ours.
    operation["responses"].pop("422", None)
    for response in operation["responses"].values():
        response["headers"] = _answer_headers()
    for code in operation.get("x-refusals", ()):
        status = CODES[code][0]
        operation["responses"][str(status)] = {"$ref": f"#/components/responses/refused-{status}"}
    if path.startswith("/v1/"):
        signed = [{"$ref": f"#/components/parameters/{name}"} for name in _REQUEST_HEADERS]
        operation["parameters"] = [*operation["parameters"], *signed]


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _answer_headers() -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in _ANSWER_HEADERS}


if __name__ == "__main__":
    sys.stdout.write(render())
