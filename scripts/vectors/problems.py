"""Problem documents (RFC 9457): read by a shield and by people's clients."""

from __future__ import annotations

from scripts.vectors._form import Case, canonical, digest, render

__all__ = ["document"]

PROBLEM: dict[str, object] = {
    "type": "https://casemate.dev/problems/policy.denied",
    "title": "The policy does not admit this workload.",
    "status": 403,
    "code": "policy.denied",
    "id": "ab" * 20,
}


def document() -> str:
    good: dict[str, dict[str, object]] = {
        "a denial": PROBLEM,
        "a step": {**PROBLEM, "step": "workload.manifest", "got": digest("manifest")},
        "everything": {
            **PROBLEM,
            "step": "s",
            "got": "g",
            "newest": digest("newest"),
            "detail": "line 3: no.",
            "wait": 310,
        },
    }
    return render(
        "problem documents and what is none",
        good=[{"name": name, "problem": canonical(value).decode(), **_told(value)} for name, value in good.items()],
        hostile=_hostile(),
    )


def _told(problem: dict[str, object]) -> Case:
    return {"code": problem["code"], "id": problem["id"], "step": problem.get("step"), "got": problem.get("got")}


def _hostile() -> list[Case]:
    text = canonical(PROBLEM).decode()
    shapes = {
        "an unknown field": canonical({**PROBLEM, "more": 1}).decode(),
        "a status that is text": canonical({**PROBLEM, "status": "403"}).decode(),
        "a code that is a number": canonical({**PROBLEM, "code": 1}).decode(),
        "a wait that is text": canonical({**PROBLEM, "wait": "310"}).decode(),
        "a code twice": text.replace('"code":', '"code":"x","code":'),
        "without a code": text.replace('"code":"policy.denied",', ""),
        "without an id": text.replace(f'"id":"{"ab" * 20}",', ""),
        "half of a surrogate pair": text.replace("The policy", "\\ud800"),
        "a page": "<html>403 Forbidden</html>",
        "nothing": "",
    }
    return [{"name": name, "problem": shape} for name, shape in shapes.items()]
