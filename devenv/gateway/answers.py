"""Answers the gateway gives itself, worded and shaped as Kong Gateway 3.9 does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
PLAIN = "text/plain; charset=utf-8"
XML = "application/xml; charset=utf-8"

MESSAGES: Mapping[int, str] = {
    400: "Bad request",
    401: "Unauthorized",
    404: "Not found",
    408: "Request timeout",
    411: "Length required",
    413: "Payload too large",
    417: "Expectation failed",
    426: "Please use HTTPS protocol",
    500: "An unexpected error occurred",
    502: "An invalid response was received from the upstream server",
    503: "The upstream server is currently unavailable",
    504: "The upstream server is timing out",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A response made by the gateway: a negotiated error, a JSON document, or nothing.

    `upstream` marks what stands for an upstream's own answer: Kong words it in a later phase.
    """

    status: int
    message: str | None = None
    document: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    upstream: bool = False


def error(status: int, message: str = "", headers: Mapping[str, str] | None = None) -> Answer:
    """Return an error whose body follows the client's Accept header."""
    text = message or MESSAGES.get(status, f"The upstream server responded with {status}")
    return Answer(status, message=text, headers=headers or {})


def document(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """Return a JSON document whatever the client accepts."""
    return Answer(status, document=content, headers=headers or {})


def render(answer: Answer, accept: str, request_id: str) -> tuple[str | None, str]:
    """Return the content type (None for an empty body) and the body of an answer."""
    if answer.document is not None:
        return JSON, json.dumps(answer.document, separators=(",", ":"))
    if answer.message is None:
        return None, ""
    kind = negotiated(accept)
    if kind == HTML:
        text = escape(answer.message)
        return HTML, (
            '<!doctype html>\n<html>\n  <head>\n    <meta charset="utf-8">\n'
            "    <title>Error</title>\n  </head>\n  <body>\n    <h1>Error</h1>\n"
            f"    <p>{text}.</p>\n    <p>request_id: {request_id}</p>\n  </body>\n</html>\n"
        )
    if kind == XML:
        return XML, (
            '<?xml version="1.0" encoding="UTF-8"?>\n<error>\n'
            f"  <message>{escape(answer.message)}</message>\n"
            f"  <requestid>{request_id}</requestid>\n</error>\n"
        )
    if kind == PLAIN:
        return PLAIN, f"{answer.message}\nrequest_id: {request_id}\n"
    # Kong's template, spaces included: some clients compare it.
    return JSON, f'{{\n  "message":{json.dumps(answer.message)},\n  "request_id":"{request_id}"\n}}'


def accepted(answer: Answer, headers: Mapping[str, str]) -> str:
    """Return the Accept header; Kong guesses where a client sends none."""
    default = headers.get("Content-Type", "text/plain") if answer.upstream else "*/*"
    return headers.get("Accept") or default


def negotiated(accept: str) -> str:
    """Return the content type of an error body for an Accept header, JSON by default."""
    best, quality = JSON, 0.0
    for part in accept.split(","):
        kind, _, parameters = part.partition(";")
        media_type = {
            "text/html": HTML,
            "application/xml": XML,
            "text/plain": PLAIN,
            "text/*": PLAIN,
            "application/json": JSON,
            "*/*": JSON,
            "application/*": JSON,
        }.get(kind.strip().lower())
        if media_type and quality_of(parameters) > quality:
            best, quality = media_type, quality_of(parameters)
    return best


def quality_of(parameters: str) -> float:
    """Return the q value among a media range's parameters, 1 by default."""
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
