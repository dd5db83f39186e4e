"""Principals and access rules (spec/policy.md, "Rules"): who, and how many of them."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Discriminator, Field, Tag, model_validator

from casemate.wire.fields import Model, PrincipalName, SigningKeyText

__all__ = ["MAX_MEMBERS", "MAX_NESTING", "Access", "AllRule", "AnyRule", "AtLeastRule", "Member", "Principal", "Rule"]

MAX_NESTING: Final = 8
MAX_MEMBERS: Final = 64


class Principal(Model):
    key: SigningKeyText


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "any" if "any" in value else "all" if "all" in value else "at_least"
    kinds: dict[Any, str] = {AnyRule: "any", AllRule: "all", AtLeastRule: "at_least"}
    return kinds.get(type(value), "name")


class AnyRule(Model):
    any_: Annotated[list[Member], Field(alias="any", min_length=1, max_length=MAX_MEMBERS)]


class AllRule(Model):
    all_: Annotated[list[Member], Field(alias="all", min_length=1, max_length=MAX_MEMBERS)]


class AtLeastRule(Model):
    at_least: Annotated[int, Field(ge=1, le=MAX_MEMBERS)]
    of: Annotated[list[Member], Field(min_length=1, max_length=MAX_MEMBERS)]

    @model_validator(mode="after")
    def _reachable(self) -> AtLeastRule:
        if self.at_least > len(self.of):
            raise ValueError(f"at_least {self.at_least} of {len(self.of)} can never be reached")
        return self


Rule = Annotated[
    Annotated[AnyRule, Tag("any")] | Annotated[AllRule, Tag("all")] | Annotated[AtLeastRule, Tag("at_least")],
    Discriminator(_kind),
]
Member = Annotated[
    Annotated[PrincipalName, Tag("name")]
    | Annotated[AnyRule, Tag("any")]
    | Annotated[AllRule, Tag("all")]
    | Annotated[AtLeastRule, Tag("at_least")],
    Discriminator(_kind),
]


class Access(Model):
    read: Rule
    update: Rule


AnyRule.model_rebuild()
AllRule.model_rebuild()
AtLeastRule.model_rebuild()
