"""Patterns of holes, and texts that refer to holes (spec/manifest.md, "Holes")."""

from __future__ import annotations

from scripts.vectors._form import Case, render

__all__ = ["document"]

EMPTY = "is empty or longer than 256 characters"
HIDDEN = r"holds a character that does not show; write \t, \n or \r"
BRACKET = "has a bracket without its other half"
LARGE = "is too large: more than 1024 characters with its counts written out"
NESTED = "nests groups deeper than 8"
NOTHING = "has an empty group or alternative"
ANCHOR = "has ^ or $, but a value always matches as a whole"
REPEATED = "repeats nothing, or what is repeated already"
EXTENSION = "has look-around, flags or a named group"
COUNT = "has a count that is not {n}, {n,} or {n,m} with n \u2264 m and 1 \u2264 m \u2264 1000"
CLASS = "has a class that is empty or does not end"
RANGE = "has a range that does not go from one character to a later one"
MEMBER = r"has [ or - inside a class; write \[ and \-"
ESCAPE = r"has a \ before what is neither punctuation nor one of d, w, s, t, n, r"

ACCEPTED: dict[str, tuple[list[str], list[str]]] = {
    "a": (["a"], ["", "A", "aa", "a\n", "\na", " a", "\uff41", "a\u0301"]),
    "[0-9]{1,5}": (["0", "65535", "99999"], ["", "123456", "-1", "1 ", "\u0661", "\u00b2"]),
    r"\d+": (["0", "0123456789"], ["", "\u0661", "\uff11", "1\n", "1.0"]),
    r"\w+": (["azAZ09_"], ["", "-", "\u00e9", "\u00aa", "\u0130", "a b"]),
    r"\s": (["\t", "\n", "\x0b", "\f", "\r", " "], ["", "\x1c", "\x85", "\u00a0", "\u2028", "\u3000", "  "]),
    r"[\d\w\s-]+": (["a-b 9\t_"], ["\u00e9", ""]),
    r"[^\d]": (["a", "\n", "\u0661", "\U0001f511"], ["1", "", "ab"]),
    ".": (["a", "\r", "\x00", "\u2028", "\U0001f511", "\u00e9"], ["", "\n", "ab", "e\u0301"]),
    ".*": (["", "anything at all", "\r"], ["\n", "a\nb", "a\n"]),
    r"(.|\n)*": (["", "a\nb\n"], []),
    "a|b": (["a", "b"], ["", "ab", "|"]),
    "ab|cd": (["ab", "cd"], ["abd", "acd"]),
    "(a|b)c": (["ac", "bc"], ["a", "abc"]),
    "(?:a|b(c)?)+": (["a", "bc", "abca"], ["", "c", "ac"]),
    "a?b*c+": (["c", "abbcc", "bc"], ["", "aac", "ab"]),
    "a{3}": (["aaa"], ["aa", "aaaa", "a{3}"]),
    "a{2,}": (["aa", "aaaaaaaa"], ["a", ""]),
    "a{0,2}": (["", "a", "aa"], ["aaa"]),
    "a{0,}": (["", "aaa"], ["b"]),
    "a{1,1}": (["a"], ["", "aa"]),
    "(a{2}){2}": (["aaaa"], ["aa", "aaaaaa"]),
    "(a*)*": (["", "aaa"], ["b"]),
    "(a|a|a*)*b": (["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"], ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]),
    "(a?){20}a{20}": (["a" * 20, "a" * 40], ["a" * 19, "a" * 41]),
    "[abc]": (["a", "c"], ["d", "", "ab", "[abc]"]),
    "[^abc]": (["d", "\n", "^"], ["a", ""]),
    "[a-c]": (["a", "b", "c"], ["-", "d", "B"]),
    "[A-z]": (["A", "z", "_", "["], ["{", "@"]),
    "[\u00e0-\u00fc]": (["\u00e0", "\u00e9", "\u00fc"], ["\u00c9", "a", "e\u0301"]),
    "[\U0001f600-\U0001f64f]": (["\U0001f600"], ["\U0001f650", "\ufffd"]),
    "[-a]": (["-", "a"], ["b"]),
    "[a-]": (["-", "a"], ["b"]),
    "[^-a]": (["b"], ["-", "a"]),
    r"[a\-c]": (["a", "-", "c"], ["b"]),
    r"[+-\-]": (["+", ",", "-"], ["*", "."]),
    "[--/]": (["-", ".", "/"], [",", "0"]),
    "[a^]": (["a", "^"], ["b"]),
    "[^^]": (["a"], ["^"]),
    r"[\]\[\\]": (["]", "[", "\\"], ["a"]),
    "[.*+?(){}|$]": ([".", "*", "$", "|"], ["a", "\\"]),
    "[a&&b]": (["a", "&", "b"], ["c", "a&"]),
    "[~~a]": (["~", "a"], ["b"]),
    "[:alpha:]": ([":", "a", "p"], ["b", "z"]),
    r"\.\*\+\?\(\)\[\]\{\}\|\^\$\\": ([".*+?()[]{}|^$\\"], ["a"]),
    r"\-\/\@\#\<\>\"\'\&\~\`\!\%\,\:\;\=\_": (["-/@#<>\"'&~`!%,:;=_"], [""]),
    r"\t\n\r": (["\t\n\r"], ["tnr", "\t\n"]),
    "#a b": (["#a b"], ["ab", ""]),
    "\u00e9": (["\u00e9"], ["e\u0301", "\u00c9", "e"]),
    "\u0130|\u017f": (["\u0130", "\u017f"], ["i", "s", "S"]),
    "\U0001f511{2}": (["\U0001f511\U0001f511"], ["\U0001f511"]),
    "((((((((a))))))))": (["a"], ["b"]),
    "[A-Za-z0-9_-]{43}": (["A" * 43, "-" * 43], ["A" * 42, "A" * 44, "A" * 42 + "="]),
    "(a{256}){4}": (["a" * 1024], ["a" * 1023, "a" * 1025]),
    ".{0,1000}": (["x" * 1000, ""], ["x" * 1001]),
    "a{1000}": (["a" * 1000], ["a" * 999]),
    "a" * 256: (["a" * 256], ["a" * 255]),
}

REFUSED: dict[str, list[str]] = {
    EMPTY: ["", "a" * 257, "\u00e9" * 257],
    HIDDEN: ["\n", "a\tb", "\x00", "\x7f", "\x85", "a\u202eb", "[\u2066]", "\u2028", "\u061c", "\u200f"],
    BRACKET: ["(a", "a)", "(a))", "((a)", "a]", "a}", "a)|(b", "]", "[a]]", "(?:a", "(a]"],
    LARGE: ["a{1000}a{25}", "(a{256}){4}b", "(a{100}){11}", "((((a{9}){9}){9}){9}){9}", "(a|b{1000}){2}",
            "((((((((a{1000}){1000}){1000}){1000}){1000}){1000}){1000}){1000})"],
    NESTED: ["(((((((((a)))))))))", "(" * 127 + "a" + ")" * 127, "(" * 256],
    NOTHING: ["|", "a|", "|a", "a||b", "()", "(|a)", "(a|)", "(?:)", "(", ")"],
    ANCHOR: ["^a", "a$", "^[0-9]+$", "a^", "(^a)", "$"],
    REPEATED: ["*", "+a", "?", "{2}", "(*a)", "a|*", "a**", "a+?", "a??", "a*?", "a{2}{3}", "a{2}?", "a++"],
    EXTENSION: ["(?i)a", "(?=a)", "(?!a)", "(?<=a)b", "(?<!a)b", "(?<n>a)", "(?P<n>a)", "(?P=n)", "(?#x)", "(?-i:a)",
                "(?>a)", "(?", "(?a:b)"],
    COUNT: ["a{", "a{}", "a{,}", "a{,3}", "a{0}", "a{0,0}", "a{2,1}", "a{1001}", "a{1,1001}", "a{01}", "a{1,02}",
            "a{1 }", "a{ 1}", "a{1,2", "a{-1}", "a{1,-2}", "a{x}", "a{1,2,3}", "a{99999999999999999999}", "a{\u0661}",
            "a{1001,}", "a{00}"],
    CLASS: ["[", "[]", "[^]", "[a", "[^", "[a-", "[]a]", "[^]a]", r"[\]", "[a-z"],
    RANGE: ["[z-a]", r"[a-\d]", "[a--]", r"[a-\w]", "[b-a]", "[9-0]"],
    MEMBER: ["[[:alpha:]]", "[a[b]", "[a-b-c]", r"[\d-a]", "[a-z--b]", "[[a]]"],
    ESCAPE: ["\\", "a\\", r"\b", r"\B", r"\A", r"\z", r"\Z", r"\1", r"(a)\1", r"\x41", r"\u0041", r"\p{L}", r"\D",
             r"\W", r"\S", r"\N", r"\Q", r"\e", r"\0", r"\f", r"\v", r"\a", r"[\b]", r"[\D]", r"[\x41]", "\\\u00e9",
             r"\ a", "[\\"],
}  # fmt: skip

TEXTS: dict[str, list[str] | None] = {
    "": [],
    "plain": [],
    "{ } {x} }}": [],
    "{{ hole.a }}": ["a"],
    "--x={{ hole.a }},{{ hole.b_2 }}": ["a", "b_2"],
    "{{ hole.a }}{{ hole.a }}": ["a", "a"],
    "{{ hole.a }}}": ["a"],
    "{{ hole.a }}{": ["a"],
    "{{ hole." + "a" * 64 + " }}": ["a" * 64],
    "{{ hole." + "a" * 65 + " }}": None,
    "{{{ hole.a }}": None,
    "{{{ hole.a }}}": None,
    "{{ hole.a }}{{": None,
    "{{": None,
    "{{}}": None,
    "{{hole.a}}": None,
    "{{ hole.a}}": None,
    "{{  hole.a }}": None,
    "{{ hole.a  }}": None,
    "{{\thole.a }}": None,
    "{{\u00a0hole.a }}": None,
    "{{ hole. }}": None,
    "{{ hole.1 }}": None,
    "{{ hole.a-b }}": None,
    "{{ hole.\u00e9 }}": None,
    "{{ hole.a\u0301 }}": None,
    "{{ hole.a.b }}": None,
    "{{ Hole.a }}": None,
    "{{ secret.a }}": None,
    "{{ hole.{{ hole.a }} }}": None,
    "{{ hole.a": None,
    "{{ hole.a }": None,
    "{{ hole.a\n }}": None,
}


def document() -> str:
    return render(
        "`accepted`: patterns with values that match and values that do not; `refused`: patterns with what is wrong,"
        " to be read after the words \"the pattern\"; `texts`: names of the holes in them, null where they are refused",
        accepted=[
            {"pattern": pattern, "matches": right, "refuses": wrong} for pattern, (right, wrong) in ACCEPTED.items()
        ],
        refused=[Case(pattern=pattern, reason=reason) for reason, patterns in REFUSED.items() for pattern in patterns],
        texts=[{"text": text, "holes": holes} for text, holes in TEXTS.items()],
    )  # fmt: skip
