"""The query language of fleet indexing, over MiniStack's own registry.

https://docs.aws.amazon.com/iot/latest/developerguide/query-syntax.html: terms, phrases, prefixes, ranges, AND (the default),
OR, NOT and `-`, groups and field groups; at most 12 terms; the characters of `UNSUPPORTED` stand for nothing.
A term without a field, which AWS looks for everywhere, is refused here; `*` alone is every thing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, get_region
from ministack.services import iot

from routes import Response, invalid

INDEX = "AWS_Things"
MOST_TERMS = 12
UNSUPPORTED = "`@#%/';,"
TOKEN = re.compile(
    r"""\s*(?:
      (?P<punctuation>[()])
    | (?P<minus>-)(?=[^\s])
    | (?P<range>[\[{][^\]}]*\ TO\ [^\]}]*[\]}])
    | (?P<phrase>"(?:[^"\\]|\\.)*")
    | (?P<field>(?:[\w.]|\\.)+):(?=\S)
    | (?P<word>(?:[^\s()\\"]|\\.)+)
    )""",
    re.VERBOSE,
)


class QueryError(Exception):
    pass


@dataclass(frozen=True)
class Document:
    """One thing as the index has it."""

    thing: dict[str, Any]
    shadow: dict[str, Any] | None
    connectivity: dict[str, Any]

    def value(self, name: str) -> Any:
        if name == "registry.version":
            return self.thing.get("version", 1)
        return iot._search_field_value(self.thing, name, self.shadow, self.connectivity)


Predicate = Callable[[Document], bool]


@dataclass
class _Parser:
    tokens: list[re.Match[str]]
    at: int = 0
    terms: int = 0
    fields: set[str] = field(default_factory=set)

    def peek(self) -> re.Match[str] | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self) -> re.Match[str]:
        token = self.peek()
        if token is None:
            raise QueryError("it ends too early")
        self.at += 1
        return token

    def word(self) -> str | None:
        token = self.peek()
        return None if token is None else token["word"]

    def either(self, name: str | None) -> Predicate:
        options = [self.all_of(name)]
        while self.word() == "OR":
            self.take()
            options.append(self.all_of(name))
        return options[0] if len(options) == 1 else lambda document: any(each(document) for each in options)

    def all_of(self, name: str | None) -> Predicate:
        parts = [self.single(name)]
        while (token := self.peek()) is not None and token["word"] != "OR" and token["punctuation"] != ")":
            if token["word"] == "AND":
                self.take()
            parts.append(self.single(name))
        return parts[0] if len(parts) == 1 else lambda document: all(each(document) for each in parts)

    def single(self, name: str | None) -> Predicate:
        token = self.take()
        if token["minus"] or token["word"] == "NOT":
            inner = self.single(name)
            return lambda document: not inner(document)
        if token["punctuation"] == "(":
            inside = self.either(name)
            if self.take()["punctuation"] != ")":
                raise QueryError("a parenthesis is not closed")
            return inside
        if token["field"]:
            return self.single(_unescaped(token["field"]))
        return self.term(token, name)

    def term(self, token: re.Match[str], name: str | None) -> Predicate:
        self.terms += 1
        text = token["phrase"] or token["range"] or token["word"]
        if text is None or text in ("AND", "OR"):
            raise QueryError(f"{token[0].strip()!r} stands where a term should")
        if name is None:
            if text == "*":
                return lambda _document: True
            raise QueryError(f"{text!r} has no field")
        self.fields.add(name)
        if token["range"]:
            return _range(name, text)
        if token["word"] and text[0] in "<>":
            return _comparison(name, text)
        wanted = _unescaped(text[1:-1] if token["phrase"] else text)
        return lambda document: iot._search_value_matches(document.value(name), wanted)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _range(name: str, text: str) -> Predicate:
    low, high = (side.strip() for side in text[1:-1].split(" TO ", 1))
    above = ">=" if text[0] == "[" else ">"
    below = "<=" if text[-1] == "]" else "<"
    return lambda document: (low == "*" or _compares(document.value(name), above, low)) and (
        high == "*" or _compares(document.value(name), below, high)
    )


def _comparison(name: str, text: str) -> Predicate:
    operator = text[:2] if text[1:2] == "=" else text[0]
    return lambda document: _compares(document.value(name), operator, text[len(operator) :])


def _compares(actual: Any, operator: str, expected: str) -> bool:
    """Numbers as numbers, everything else as text; a field that is not there is in no range."""
    if actual is None or isinstance(actual, (bool, dict, list)):
        return False
    number = iot._as_number(expected)
    left, right = (float(actual), number) if isinstance(actual, (int, float)) and number is not None else (
        str(actual).lower(),
        expected.lower(),
    )
    return bool({">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right}[operator])


def parse(query: str) -> tuple[Predicate, set[str]]:
    """The query as a predicate, and the fields that it asks for."""
    for character in UNSUPPORTED:
        if character in query:
            raise QueryError(f"the character {character} is not supported")
    tokens, at = [], 0
    text = query.strip()
    while at < len(text):
        token = TOKEN.match(text, at)
        if token is None:
            raise QueryError(f"{text[at:]!r} is not understood")
        tokens.append(token)
        at = token.end()
    parser = _Parser(tokens)
    predicate = parser.either(None)
    if parser.peek() is not None:
        raise QueryError("there is a parenthesis too many")
    if parser.terms > MOST_TERMS:
        raise QueryError(f"it has {parser.terms} terms, more than {MOST_TERMS}")
    return predicate, parser.fields


def find(payload: dict[str, Any]) -> tuple[list[Document], Response | None]:
    """The things that a request's `queryString` asks for, or why it can't be answered."""
    config = iot._indexing_configuration()["thingIndexingConfiguration"]
    mode, connectivity_mode = config["thingIndexingMode"], config.get("thingConnectivityIndexingMode", "OFF")
    name = payload.get("indexName") or INDEX
    if name != INDEX or mode == "OFF":
        return [], error_response_json("ResourceNotFoundException", f"Index {name} does not exist", 404)
    query = payload.get("queryString")
    if not isinstance(query, str) or query.strip() == "":
        return [], invalid("queryString is required")
    try:
        predicate, fields = parse(query)
        for each in sorted(fields):
            problem = iot._search_field_error(each, mode, connectivity_mode)
            if problem is not None:
                raise QueryError(problem)
    except QueryError as error:
        return [], error_response_json("InvalidQueryException", f"{query!r}: {error}", 400)
    return [document for document in _documents(mode, connectivity_mode) if predicate(document)], None


def _documents(mode: str, connectivity_mode: str) -> Iterator[Document]:
    account, region = get_account_id(), get_region()
    for name, thing in iot._things.items():
        yield Document(
            thing,
            iot._classic_shadow_state(name) if mode == "REGISTRY_AND_SHADOW" else None,
            iot._thing_connectivity(account, region, name) if connectivity_mode == "STATUS" else {},
        )
