"""The fields of each entity of kong.yml, and what each may hold."""

from __future__ import annotations

from typing import Any

from devenv.gateway import schema
from devenv.gateway.schema import Field, boolean, integer, list_of, mapping_of, matching, one_of, text

HTTP_PROTOCOLS = one_of("http", "https")
ANY_PROTOCOLS = one_of("http", "https", "grpc", "grpcs")
MILLISECONDS = integer(1, 2**31 - 2)
NAME = matching(r"[\w.~-]+", "a name of letters, digits and . _ ~ -")
HEADER_VALUES = list_of(text, least=1)
COMMON = {
    "id": Field(text),
    "tags": Field(list_of(text), ()),
    "created_at": Field(integer(0, 2**53)),
    "updated_at": Field(integer(0, 2**53)),
}


def as_given(value: Any, where: str, report: schema.Report) -> Any:
    """Accept any value: its check depends on another field and comes later."""
    return value


REFERENCE = Field(as_given)
NESTED = Field(list_of(as_given), ())
SERVICE = {
    **COMMON,
    "name": Field(NAME),
    "url": Field(matching(r"https?://[^\s/?#]+[^\s?#]*", "an http or https URL")),
    "protocol": Field(HTTP_PROTOCOLS, "http"),
    "host": Field(matching(r"[A-Za-z0-9._:\[\]-]+", "a host name or address")),
    "port": Field(integer(0, 65535)),
    "path": Field(matching(r"/[^\s?#]*", "a path that starts with /")),
    "connect_timeout": Field(MILLISECONDS, 60000),
    "write_timeout": Field(MILLISECONDS, 60000),
    "read_timeout": Field(MILLISECONDS, 60000),
    "retries": Field(integer(0, 32767), 5),
    "enabled": Field(boolean, True),
    "tls_verify": Field(boolean),
    "routes": NESTED,
    "plugins": NESTED,
}
ROUTE = {
    **COMMON,
    "name": Field(NAME),
    "service": REFERENCE,
    "protocols": Field(list_of(HTTP_PROTOCOLS, least=1), ("http", "https")),
    "methods": Field(list_of(matching("[A-Z]+", "an HTTP method in upper case")), ()),
    "hosts": Field(list_of(matching(r"(\*\.)?[^\s*/]+|[^\s*/]+\.\*(:\d+)?", "a host name")), ()),
    "paths": Field(list_of(text), ()),
    "headers": Field(mapping_of(HEADER_VALUES), {}),
    "strip_path": Field(boolean, True),
    "preserve_host": Field(boolean, False),
    "regex_priority": Field(integer(0, 2**32 - 1), 0),
    "path_handling": Field(one_of("v0"), "v0"),
    "https_redirect_status_code": Field(one_of(301, 302, 307, 308, 426), 426),
    # Bodies always stream here, whatever Kong's buffering says.
    "request_buffering": Field(boolean, True),
    "response_buffering": Field(boolean, True),
    "plugins": NESTED,
}
CONSUMER = {
    **COMMON,
    "username": Field(text),
    "custom_id": Field(text),
    "plugins": NESTED,
    "keyauth_credentials": NESTED,
    "basicauth_credentials": NESTED,
    "jwt_secrets": NESTED,
    "acls": NESTED,
}
PLUGIN = {
    **COMMON,
    "name": Field(text, required=True),
    "instance_name": Field(text),
    "enabled": Field(boolean, True),
    "protocols": Field(list_of(ANY_PROTOCOLS), ("grpc", "grpcs", "http", "https")),
    "config": Field(as_given, {}),
    "service": REFERENCE,
    "route": REFERENCE,
    "consumer": REFERENCE,
}
OWNED = {**COMMON, "consumer": REFERENCE}
KEY = {**OWNED, "key": Field(text, required=True)}
BASIC = {**OWNED, "username": Field(text, required=True), "password": Field(text, required=True)}
JWT = {
    **OWNED,
    "key": Field(text, required=True),
    "algorithm": Field(one_of("HS256", "HS384", "HS512", "RS256", "RS384", "RS512"), "HS256"),
    "secret": Field(text),
    "rsa_public_key": Field(text),
}
ACL = {**OWNED, "group": Field(text, required=True)}
CREDENTIALS = {
    "keyauth_credentials": KEY,
    "basicauth_credentials": BASIC,
    "jwt_secrets": JWT,
    "acls": ACL,
}
TOP = {
    "_format_version": Field(one_of("3.0"), required=True),
    "_transform": Field(boolean, True),
    "_comment": Field(text),
    "_ignore": REFERENCE,
    "services": NESTED,
    "routes": NESTED,
    "plugins": NESTED,
    "consumers": NESTED,
    **dict.fromkeys(CREDENTIALS, NESTED),
}
