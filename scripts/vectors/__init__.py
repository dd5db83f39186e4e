"""Test vectors that both languages read: spec/vectors/*.json, one module a file.

They are written from the specification with nothing of `casemate` in them, so that a mistake of the product cannot
become the expectation of its tests. Everything follows from names: the same bytes come out on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator

from scripts.vectors.answers import document as _answers
from scripts.vectors.canonical_json import document as _canonical_json
from scripts.vectors.configurations import document as _configurations
from scripts.vectors.encodings import document as _encodings
from scripts.vectors.genesis import document as _genesis
from scripts.vectors.instances import document as _instances
from scripts.vectors.manifests import document as _manifests
from scripts.vectors.output import document as _output
from scripts.vectors.patterns import document as _patterns
from scripts.vectors.peers import document as _peers
from scripts.vectors.pem import document as _pem
from scripts.vectors.problems import document as _problems
from scripts.vectors.ra_tls import document as _ra_tls
from scripts.vectors.release_info import document as _release_info
from scripts.vectors.report_data import document as _report_data
from scripts.vectors.requests import document as _requests
from scripts.vectors.results import document as _results
from scripts.vectors.sealed import document as _sealed
from scripts.vectors.volume_answers import document as _volume_answers
from scripts.vectors.wrappers import document as _wrappers

__all__ = ["outputs"]

_FILES = {
    "answer-signatures": _answers,
    "canonical-json": _canonical_json,
    "configurations": _configurations,
    "custodian-genesis": _genesis,
    "encodings": _encodings,
    "instance-certificates": _instances,
    "manifests": _manifests,
    "output": _output,
    "patterns": _patterns,
    "peers": _peers,
    "pem": _pem,
    "problems": _problems,
    "release-info": _release_info,
    "report-data": _report_data,
    "request-signatures": _requests,
    "results/ra-tls": _ra_tls,
    "results/tokens": _results,
    "sealed-configuration": _sealed,
    "volume-answers": _volume_answers,
    "results/wrappers": _wrappers,
}


def outputs() -> Iterator[tuple[str, str]]:
    """Paths below the project and what belongs into them."""
    for name, document in _FILES.items():
        yield f"spec/vectors/{name}.json", document()
