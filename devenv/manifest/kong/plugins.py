"""The settings of Kong's plugins: those that devenv knows field by field, and the names of the others.

A rule takes a value and yields `(path, reason)` for what Kong refuses in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

Refusal = tuple[tuple[str | int, ...], str]
Rule = Callable[[Any], Iterator[Refusal]]

BUNDLED = frozenset(
    [
        "acl",
        "acme",
        "ai-prompt-decorator",
        "ai-prompt-guard",
        "ai-prompt-template",
        "ai-proxy",
        "ai-request-transformer",
        "ai-response-transformer",
        "aws-lambda",
        "azure-functions",
        "basic-auth",
        "bot-detection",
        "correlation-id",
        "cors",
        "datadog",
        "file-log",
        "grpc-gateway",
        "grpc-web",
        "hmac-auth",
        "http-log",
        "ip-restriction",
        "jwt",
        "key-auth",
        "ldap-auth",
        "loggly",
        "oauth2",
        "opentelemetry",
        "post-function",
        "pre-function",
        "prometheus",
        "proxy-cache",
        "rate-limiting",
        "redirect",
        "request-size-limiting",
        "request-termination",
        "request-transformer",
        "response-ratelimiting",
        "response-transformer",
        "session",
        "standard-webhooks",
        "statsd",
        "syslog",
        "tcp-log",
        "udp-log",
        "zipkin",
    ]
)
PERIODS = ("second", "minute", "hour", "day", "month", "year")
METHODS = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT")
_REFERENCE = re.compile(r"\$\{|^\{vault://")


def refusals(name: str, config: Mapping[str, Any]) -> Iterator[Refusal]:
    """What Kong refuses in the settings of a bundled plugin."""
    schema = SCHEMAS.get(name)
    if schema is not None:
        wrong = list(schema.fields(config))
        yield from wrong or schema.across(config)


def is_open(value: Any) -> bool:
    """Whether a text is only known later: devenv fills it in, or Kong asks a vault."""
    return isinstance(value, str) and _REFERENCE.search(value) is not None


def text(value: Any) -> Iterator[Refusal]:
    """Text that is not empty."""
    if not isinstance(value, str):
        yield (), "expected a string"
    elif not value:
        yield (), "length must be at least 1"


def boolean(value: Any) -> Iterator[Refusal]:
    """True or false."""
    if not isinstance(value, bool):
        yield (), "expected a boolean"


def number(value: Any) -> Iterator[Refusal]:
    """Any number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield (), "expected a number"


def whole(value: Any) -> Iterator[Refusal]:
    """A whole number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        yield (), "expected an integer"


def above_zero(value: Any) -> Iterator[Refusal]:
    """A number that is no limit of zero."""
    wrong = list(number(value))
    if not wrong and value <= 0:
        wrong = [((), "value must be greater than 0")]
    yield from wrong


def anything(value: Any) -> Iterator[Refusal]:
    """What devenv does not look into."""
    return iter(())


def one_of(*choices: str) -> Rule:
    """One of some texts."""

    def rule(value: Any) -> Iterator[Refusal]:
        if value not in choices and not is_open(value):
            yield (), f"expected one of: {', '.join(choices)}"

    return rule


def matching(pattern: str, reason: str) -> Rule:
    """Text of a pattern; `{}` in the reason is the text."""
    compiled = re.compile(pattern, re.DOTALL)

    def rule(value: Any) -> Iterator[Refusal]:
        wrong = list(text(value))
        if not wrong and not is_open(value) and not compiled.fullmatch(value):
            wrong = [((), reason.format(value))]
        yield from wrong

    return rule


def list_of(inner: Rule) -> Rule:
    """A list, each element by a rule."""

    def rule(value: Any) -> Iterator[Refusal]:
        if not isinstance(value, list):
            yield (), "expected an array"
            return
        for index, item in enumerate(value):
            yield from (((index, *path), reason) for path, reason in inner(item))

    return rule


def record(**fields: Rule) -> Rule:
    """A mapping of known fields; nothing is as good as a field left out."""

    def rule(value: Any) -> Iterator[Refusal]:
        if not isinstance(value, Mapping):
            yield (), "expected a record"
            return
        for name, item in value.items():
            if name not in fields:
                yield (name,), "unknown field"
            elif item is not None:
                yield from (((name, *path), reason) for path, reason in fields[name](item))

    return rule


def origin(value: Any) -> Iterator[Refusal]:
    """An origin of cors: `*`, a name or a regular expression of PCRE."""
    wrong = list(text(value))
    if not wrong and value != "*" and not is_open(value) and _is_no_regex(value):
        wrong = [((), f"'{value}' is not a valid regex")]
    yield from wrong


def _is_no_regex(value: str) -> bool:
    """Whether PCRE surely refuses a pattern. Python's `re` knows less, so only what both refuse counts."""
    from devenv.manifest.kong import regex

    if not regex.reason(value):
        return False
    try:
        re.compile(re.sub(r"\(\?<(?![=!])", "(?P<", value))
    except re.error as error:
        return any(word in str(error) for word in ("nothing to repeat", "unterminated", "unbalanced"))
    return False


HEADER_NAME = matching(
    r"[A-Za-z0-9_-]+", "bad header name '{}', allowed characters are A-Z, a-z, 0-9, '_', and '-'"
)
PAIR = matching(r"[^:]+:.*", "invalid value: {}")
HEADER_PAIR = matching(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+:.*", "'{}' does not begin with a valid header")


def _nothing(config: Mapping[str, Any]) -> Iterator[Refusal]:
    return iter(())


def _acl(config: Mapping[str, Any]) -> Iterator[Refusal]:
    if bool(config.get("allow")) == bool(config.get("deny")):
        yield (), "exactly one of these fields must be non-empty: 'config.allow', 'config.deny'"


def _rate_limiting(config: Mapping[str, Any]) -> Iterator[Refusal]:
    limits = [(period, config[period]) for period in PERIODS if config.get(period) is not None]
    if not limits:
        fields = ", ".join(f"'config.{period}'" for period in PERIODS)
        yield (), f"at least one of these fields must be non-empty: {fields}"
    for (shorter, less), (longer, more) in pairwise(limits):
        if more < less:
            reason = f"The limit for {longer}({more}) cannot be lower than the limit for {shorter}({less})"
            yield (longer,), reason
    by = config.get("limit_by")
    needed = {"header": "header_name", "path": "path"}.get(by) if isinstance(by, str) else None
    if needed and not config.get(needed):
        yield (needed,), f"required field missing, with limit_by: {by}"
    if config.get("sync_rate", -1) != -1 and config.get("policy") != "redis":
        yield ("sync_rate",), "sync_rate can only be used with the redis policy"


@dataclass(frozen=True, slots=True)
class Schema:
    """What a plugin's settings may be, field by field and together."""

    fields: Rule
    across: Rule = field(default=_nothing)


_REDIS = (
    "redis",
    *(f"redis_{name}" for name in ["host", "port", "password", "username", "ssl", "ssl_verify"]),
)
_TRANSFORMED = {"body": list_of(PAIR), "headers": list_of(HEADER_PAIR), "querystring": list_of(PAIR)}
_REMOVED = dict.fromkeys(_TRANSFORMED, list_of(text))

SCHEMAS: Mapping[str, Schema] = {
    "acl": Schema(
        record(
            allow=list_of(text),
            deny=list_of(text),
            hide_groups_header=boolean,
            always_use_authenticated_groups=boolean,
        ),
        _acl,
    ),
    "basic-auth": Schema(record(hide_credentials=boolean, anonymous=text, realm=text)),
    "correlation-id": Schema(
        record(header_name=text, generator=one_of("uuid", "uuid#counter", "tracker"), echo_downstream=boolean)
    ),
    "cors": Schema(
        record(
            origins=list_of(origin),
            headers=list_of(text),
            exposed_headers=list_of(text),
            methods=list_of(one_of(*METHODS)),
            max_age=number,
            credentials=boolean,
            private_network=boolean,
            preflight_continue=boolean,
        )
    ),
    "jwt": Schema(
        record(
            uri_param_names=list_of(text),
            cookie_names=list_of(text),
            header_names=list_of(text),
            key_claim_name=text,
            secret_is_base64=boolean,
            claims_to_verify=list_of(one_of("exp", "nbf")),
            maximum_expiration=number,
            anonymous=text,
            run_on_preflight=boolean,
            realm=text,
        )
    ),
    "key-auth": Schema(
        record(
            key_names=list_of(HEADER_NAME),
            hide_credentials=boolean,
            anonymous=text,
            key_in_header=boolean,
            key_in_query=boolean,
            key_in_body=boolean,
            run_on_preflight=boolean,
            realm=text,
        )
    ),
    "rate-limiting": Schema(
        record(
            **dict.fromkeys(PERIODS, above_zero),
            limit_by=one_of("consumer", "credential", "ip", "service", "header", "path"),
            header_name=text,
            path=matching(r"/.*", "should start with: /"),
            policy=one_of("local", "redis"),
            fault_tolerant=boolean,
            hide_client_headers=boolean,
            error_code=number,
            error_message=text,
            sync_rate=number,
            **dict.fromkeys(_REDIS, anything),
        ),
        _rate_limiting,
    ),
    "request-size-limiting": Schema(
        record(
            allowed_payload_size=whole,
            size_unit=one_of("megabytes", "kilobytes", "bytes"),
            require_content_length=boolean,
        )
    ),
    "request-transformer": Schema(
        record(
            http_method=matching("[A-Z]+", "invalid value: {}"),
            remove=record(**_REMOVED),
            rename=record(**_TRANSFORMED),
            replace=record(**_TRANSFORMED, uri=text),
            add=record(**_TRANSFORMED),
            append=record(**_TRANSFORMED),
        )
    ),
}
