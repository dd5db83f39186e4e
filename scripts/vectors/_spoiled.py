"""Ways to spell a signature that other profiles of RFC 9421 admit, and this one does not."""

from __future__ import annotations

__all__ = ["headers_without", "params_of_another_form", "signatures_of_another_form"]


def params_of_another_form(params: str, components: str) -> dict[str, str]:
    """Of requests and answers alike; `params` are the good ones, which begin with `components`."""
    created = params.removeprefix(f"{components};created=").partition(";")[0]
    key = params.partition('keyid="')[2].partition('"')[0]
    # The next letter differs in a bit that no byte uses.
    stray = key[:-1] + chr(ord(key[-1]) + 1)
    return {
        "another algorithm": params.replace('alg="ed25519"', 'alg="rsa-pss-sha512"'),
        "no algorithm": params.replace(';alg="ed25519"', ""),
        "another tag": params.replace('-v1"', '-v2"'),
        "no tag": params.rpartition(";")[0],
        "a parameter more": f"{params};expires=2000000000",
        "a parameter twice": f"{params};created={created}",
        "a space between parameters": params.replace(";keyid", "; keyid"),
        "a space between components": params.replace('" "', '"  "', 1),
        "created with a leading zero": params.replace(f"created={created}", f"created=0{created}"),
        "created with a sign": params.replace(f"created={created}", f"created=+{created}"),
        "created as text": params.replace(f"created={created}", f'created="{created}"'),
        "created with a fraction": params.replace(f"created={created}", f"created={created}.0"),
        "created of thirteen digits": params.replace(f"created={created}", "created=1000000000000"),
        "created in other digits": params.replace(f"created={created}", "created=\u0661"),
        "no created": params.replace(f";created={created}", ""),
        "a key of another kind": params.replace("ed25519:", "x25519:"),
        "a key without its kind": params.replace("ed25519:", ""),
        "a key with stray bits": params.replace(key, stray),
        "a key that is padded": params.replace(key, key + "="),
        "a short key": params.replace(key, key[:-1]),
        "no parameters": components,
        "something behind": f"{params}, other=()",
    }


def signatures_of_another_form(good: dict[str, str]) -> dict[str, dict[str, str]]:
    value = good["signature"].removeprefix("casemate=:").removesuffix(":")
    stray = value[:85] + chr(ord(value[85]) + 1) + value[86:]
    shapes = {
        "another label": f"other=:{value}:",
        "no label": f":{value}:",
        "a signature without colons": f"casemate={value}",
        "a signature that is not padded": f"casemate=:{value[:-2]}:",
        "a signature with stray bits": f"casemate=:{stray}:",
        "a signature of the other alphabet": f"casemate=:-_{value[2:]}:",
        "a short signature": f"casemate=:{value[:84]}:",
        "an empty signature": "casemate=::",
        "two signatures": f"casemate=:{value}:, casemate=:{value}:",
        "a space before the signature": f" casemate=:{value}:",
        "a signature with a parameter": f"casemate=:{value}:;x=1",
    }
    spoiled = {name: {**good, "signature": text} for name, text in shapes.items()}
    given = good["signature-input"]
    spoiled["another label of the parameters"] = {**good, "signature-input": given.replace("casemate=", "other=", 1)}
    spoiled["a label in capitals"] = {**good, "signature-input": given.replace("casemate=", "Casemate=", 1)}
    return spoiled


def headers_without(good: dict[str, str]) -> dict[str, dict[str, str]]:
    return {f"without {left}": {name: text for name, text in good.items() if name != left} for left in good}
