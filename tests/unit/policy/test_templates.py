from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import TemplateError, TooLargeError
from casemate.policy.templates import MAX_REFERENCES, MAX_RENDERED_BYTES, SecretReference, Template


def lookup(reference: SecretReference) -> bytes:
    return f"<{reference}>".encode()


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("", b""),
        ("plain } text }} {", b"plain } text }} {"),
        ("{{ secret.a }}", b"<secret.a>"),
        ("{{secret.a_1.part_2}}", b"<secret.a_1.part_2>"),
        ("x{{ \t\n secret.a \r\n }}y{{ secret.b }}", b"x<secret.a>y<secret.b>"),
        ('{{ "{{" }} secret.a }}', b"{{ secret.a }}"),
        ('{{"{{"}}{{"{{"}}', b"{{{{"),
        ("ünï", "ünï".encode()),
    ],
)
def test_templates_render(text: str, rendered: bytes) -> None:
    assert Template.parse(text).render(lookup) == rendered


@pytest.mark.parametrize(
    ("text", "place", "shown"),
    [
        ("{{", "character 1", "{{"),
        ("ab{{ secret.a", "character 3", "{{ secret.a"),
        ("{{ }}", "character 1", "{{ }}"),
        ("{{ secret }}", "character 1", "{{ secret }}"),
        ("{{ secret. }}", "character 1", "{{ secret. }}"),
        ("{{ secret.A }}", "character 1", "{{ secret.A }}"),
        ("{{ secret.a.b.c }}", "character 1", "{{ secret.a.b.c }}"),
        ("{{ secret.a | base64 }}", "character 1", "{{ secret.a | base64 }}"),
        ("{{ secret .a }}", "character 1", "{{ secret .a }}"),
        ("{{{ secret.a }}}", "character 1", "{{{ secret.a }}"),
        ("{{ secret.a\u00a0}}", "character 1", "{{ secret.a\u00a0}}"),
        ('{{ "}}" }}', "character 1", '{{ "}}'),
        ("one\ntwo {{ x }}", "line 2, character 5", "{{ x }}"),
    ],
)
def test_anything_else_between_braces_is_an_error_with_its_place(text: str, place: str, shown: str) -> None:
    with pytest.raises(TemplateError) as caught:
        Template.parse(text)
    assert caught.value.message.endswith(f", at {place}")
    assert caught.value.got == shown
    assert caught.value.remedy is not None
    assert "{{ secret.NAME }}" in caught.value.remedy


def test_a_hole_in_a_policy_is_explained() -> None:
    with pytest.raises(TemplateError) as caught:
        Template.parse("{{ hole.port }}")
    assert caught.value.remedy == "holes are written in the launch manifest; here stand only values and secrets"


def test_references_are_listed_in_order() -> None:
    template = Template.parse("{{ secret.b.x }}-{{ secret.a }}-{{ secret.b.x }}")
    wanted = (SecretReference("b", "x"), SecretReference("a"), SecretReference("b", "x"))
    assert template.references == wanted


def test_only_a_template_without_references_is_literal() -> None:
    assert Template.parse('a{{ "{{" }}b').literal == "a{{b"
    assert Template.parse("a{{ secret.b }}").literal is None


def test_the_number_of_references_is_limited() -> None:
    assert len(Template.parse("{{ secret.a }}" * MAX_REFERENCES).references) == MAX_REFERENCES
    with pytest.raises(TemplateError, match="more references") as caught:
        Template.parse("{{ secret.a }}" * (MAX_REFERENCES + 1))
    assert caught.value.got == str(MAX_REFERENCES + 1)


def test_what_is_rendered_is_limited_in_size() -> None:
    template = Template.parse("x{{ secret.a }}")
    assert len(template.render(lambda _: bytes(MAX_RENDERED_BYTES - 1))) == MAX_RENDERED_BYTES
    with pytest.raises(TooLargeError) as caught:
        template.render(lambda _: bytes(MAX_RENDERED_BYTES))
    assert caught.value.got == str(MAX_RENDERED_BYTES + 1)


@given(st.text())
def test_rendered_values_are_never_read_as_templates(value: str) -> None:
    template = Template.parse("<{{ secret.a }}>")
    data = value.encode("utf-8", "replace")
    assert template.render(lambda _: data) == b"<" + data + b">"


@given(st.text(alphabet='{}" secrt.ab\n'))
def test_any_text_parses_or_is_a_template_error(text: str) -> None:
    try:
        template = Template.parse(text)
    except TemplateError:
        assert "{{" in text
    else:
        template.render(lookup)


@given(st.text().filter(lambda text: "{{" not in text))
def test_text_without_braces_renders_as_itself(text: str) -> None:
    assert Template.parse(text).literal == text


@given(st.text(max_size=30))
def test_every_text_can_be_written_as_a_literal(text: str) -> None:
    assert Template.parse(text.replace("{{", '{{ "{{" }}')).literal == text
