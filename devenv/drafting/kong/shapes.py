"""The forms of the entities of a gateway's configuration, as Kong, decK and kongfig have them."""

from __future__ import annotations

from devenv.drafting.shape import OBJECT, OBJECTS, TEXT, WORDS, Shape

_TEXTS = Shape(items=TEXT)
_OWNER = Shape(scalar=True, keys={})
"""Another entity: its name, or `{id: ...}`."""


def _entities(**keys: Shape) -> Shape:
    """A list of entities; each may have kongfig's `attributes` as well."""
    return Shape(items=Shape(keys={"attributes": OBJECT, "tags": _TEXTS, **keys}))


_NAMES = dict.fromkeys(("name", "id", "username", "custom_id", "enabled"), TEXT)
_OWNERS = dict.fromkeys(("service", "route", "consumer", "upstream"), _OWNER)
_PLUGINS = _entities(**_NAMES, **_OWNERS, _config=TEXT, config=OBJECT, protocols=_TEXTS)
_OF_CREDENTIALS = ("key", "secret", "algorithm", "rsa_public_key", "username", "password", "group")
_CREDENTIALS = {
    kind: _entities(**dict.fromkeys(_OF_CREDENTIALS, TEXT), consumer=_OWNER)
    for kind in ("keyauth_credentials", "basicauth_credentials", "jwt_secrets", "acls")
} | dict.fromkeys(("hmacauth_credentials", "oauth2_credentials"), _entities(consumer=_OWNER))
_ROUTES = _entities(
    **_NAMES,
    **_OWNERS,
    **dict.fromkeys(("paths", "hosts", "methods", "protocols", "snis"), _TEXTS),
    **dict.fromkeys(("strip_path", "preserve_host", "regex_priority", "path_handling"), TEXT),
    headers=Shape(values=WORDS),
    plugins=_PLUGINS,
)
_TARGETS = _entities(target=TEXT, weight=TEXT, upstream=_OWNER)
_APIS = _entities(name=TEXT, plugins=_PLUGINS)
GATEWAY = Shape(
    keys={
        "_format_version": TEXT,
        "_info": Shape(keys={"defaults": OBJECTS, "select_tags": _TEXTS}),
        "_plugin_configs": OBJECTS,
        "apis": _APIS,
        "services": _entities(
            **_NAMES,
            **dict.fromkeys(("url", "host", "port", "path", "protocol", "retries"), TEXT),
            routes=_ROUTES,
            plugins=_PLUGINS,
        ),
        "routes": _ROUTES,
        "plugins": _PLUGINS,
        "consumers": _entities(**_NAMES, **_CREDENTIALS, credentials=_entities(name=TEXT), plugins=_PLUGINS),
        "upstreams": _entities(**_NAMES, targets=_TARGETS),
        "targets": _TARGETS,
        **_CREDENTIALS,
    }
)
