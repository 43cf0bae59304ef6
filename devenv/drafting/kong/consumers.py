"""A consumer of the gateway: its credentials as a manifest has them, each value a secret."""

from __future__ import annotations

from typing import Any

from devenv.drafting.kong.forms import CREDENTIALS, Entity
from devenv.drafting.kong.values import Secrets, ours, plugin_value, unsayable_plugin
from devenv.drafting.scene import variable_of

_UNSAID = frozenset(("id", "tags", "created_at", "updated_at"))
_FIELDS = {
    "keyauth_credentials": {"key"},
    "basicauth_credentials": {"username", "password"},
    "jwt_secrets": {"key", "secret", "algorithm", "rsa_public_key"},
    "acls": {"group"},
}


def converted(consumer: Entity, secrets: Secrets) -> tuple[dict[str, Any], Entity, str]:
    """Its value in the manifest, what of it stays in Kong's words, and why."""
    name = str(consumer["username"])
    value: dict[str, Any] = {}
    rest: Entity = {}
    sayable: dict[str, list[Entity]] = {}
    for kind in CREDENTIALS:
        for credential in consumer.get(kind) or ():
            made_up = kind == "keyauth_credentials" and "key" not in credential  # by Kong
            if set(credential) - _UNSAID <= _FIELDS.get(kind, set()) and not made_up:
                sayable.setdefault(kind, []).append(credential)
            else:
                rest.setdefault(kind, []).append(credential)
    if "custom_id" in consumer:
        value["custom_id"] = ours(consumer["custom_id"])
    prefix = variable_of(name) or "CONSUMER"
    if keys := [
        secrets.move(f"{prefix}_KEY", item.get("key", "")) for item in sayable.get("keyauth_credentials", ())
    ]:
        value["key"] = keys[0] if len(keys) == 1 else keys
    if users := sayable.get("basicauth_credentials"):
        value["basic"] = {ours(user.get("username")): _password(prefix, user, secrets) for user in users}
    if tokens := sayable.get("jwt_secrets"):
        value["jwt"] = [_token(prefix, token, secrets) for token in tokens]
    if groups := dict.fromkeys(ours(item["group"]) for item in sayable.get("acls", ())):
        value["groups"] = [*groups]
    plugins = [plugin for plugin in consumer.get("plugins") or () if plugin.get("enabled") is not False]
    if written := [
        plugin_value(plugin, secrets, prefix) for plugin in plugins if not unsayable_plugin(plugin)
    ]:
        value["plugins"] = written
    if others := [plugin for plugin in plugins if unsayable_plugin(plugin)]:
        rest["plugins"] = others
    own_keys = {"username", "custom_id", "plugins", *CREDENTIALS, *_UNSAID}
    rest |= {key: item for key, item in consumer.items() if key not in own_keys}
    plain = ", its secrets in plain text" if set(rest) & {*CREDENTIALS} else ""
    return value, rest, f"it has {', '.join(rest)}{plain}"


def _password(prefix: str, user: Entity, secrets: Secrets) -> str:
    own = variable_of(str(user.get("username", "")))
    name = f"{prefix}_PASSWORD" if own == prefix else f"{prefix}_{own}_PASSWORD"
    return secrets.move(name, user.get("password", ""))


def _token(prefix: str, token: Entity, secrets: Secrets) -> dict[str, str]:
    """A JWT credential; only its secret is one."""
    fields = {key: ours(item) for key, item in token.items() if key in ("key", "algorithm", "rsa_public_key")}
    if "secret" in token:
        fields["secret"] = secrets.move(f"{prefix}_JWT_SECRET", token["secret"])
    return fields
