"""acl: only consumers of some groups, or all but those of some groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from devenv.gateway.answers import Answer, error
from devenv.gateway.exchange import Exchange
from devenv.gateway.plugin import Plugin, Problems
from devenv.gateway.schema import Field, boolean, list_of, text

FIELDS = {
    "allow": Field(list_of(text)),
    "deny": Field(list_of(text)),
    "hide_groups_header": Field(boolean, False),
    # No plugin here sets authenticated groups, so a consumer's own groups always count.
    "always_use_authenticated_groups": Field(boolean, False),
}
GROUPS_HEADER = "X-Consumer-Groups"


@dataclass(frozen=True, slots=True)
class Acl:
    """Configuration of acl."""

    allow: tuple[str, ...] | None
    deny: tuple[str, ...] | None
    hide_groups_header: bool
    always_use_authenticated_groups: bool


def across(values: Mapping[str, Any]) -> Problems:
    """Report both lists, or neither."""
    if bool(values["allow"]) == bool(values["deny"]):
        yield "", "exactly one of allow, deny must be set"


async def access(config: Acl, exchange: Exchange) -> Answer | None:
    """Refuse a consumer outside the allowed groups or inside the denied ones."""
    if exchange.consumer is None or exchange.credential is None:
        return error(401, "Unauthorized")
    groups = exchange.consumer.groups
    if config.deny:
        blocked = any(group in config.deny for group in groups)
    else:
        blocked = not any(group in (config.allow or ()) for group in groups)
    if blocked:
        return error(403, "You cannot consume this service")
    exchange.upstream_headers.popall(GROUPS_HEADER, None)
    if groups and not config.hide_groups_header:
        exchange.upstream_headers[GROUPS_HEADER] = ", ".join(groups)
    return None


PLUGIN = Plugin("acl", 950, FIELDS, Acl, access, across=across, per_consumer=False)
