"""Addresses in texts: the hosts they name, and the stores whose parts they repeat."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Literal, get_args

from devenv.drafting import interpolation
from devenv.drafting.draft import telling
from devenv.drafting.scene import Scene, StoreUnit
from devenv.drafting.stores import urls
from devenv.stack.secretnames import is_secret

_HOST_KEY = re.compile(r"(?:host|server|data source|addr(?:ess)?)\s*=\s*$", re.IGNORECASE)
_PASSWORD_KEY = r"((?:password|pwd)\s*=\s*){value}(?=[\s;&,}}]|$)"
_ARGUMENT = r"((?:^|\s)(?:-[paP]|--pass(?:word)?)[= ]?|(?<![\w-]){user}\s+){value}(?![\w-])"
"""A password among the words of a command: after an option, or after its user."""
_HOST_VARIABLE = re.compile(
    r"(HOSTS?|HOSTNAME|SERVERS?|ADDR|ADDRESS|ENDPOINT|NODES?|BROKERS?|URLS?|URI|PEERS|UPSTREAM)$",
    re.IGNORECASE,
)


Form = Literal["variables", "optional", "defaults"]
"""How a manifest says a text of Compose's: with its variables, with ones that need not be set, or without."""
FORMS: tuple[Form, ...] = get_args(Form)


def _formed(scene: Scene, form: Form, text: str) -> str:
    if form == "defaults":
        return interpolation.escaped(interpolation.plain(text))
    return interpolation.ours(text, scene.secrets, demand=form == "variables")


@cache
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    """Where a text names one of these hosts: after `//` or `@`, before a port, or between other signs."""
    any_of = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(
        rf"(?P<login>(?<=//)[^\s/@]*@)?"
        rf"(?P<before>//(?![^\s/@]*@)|@|^|[\s,;=('\"\[|])?(?<![\w.$])(?<!(?<!:)-)"
        rf"(?P<host>{any_of})(?![\w-]|\.[a-zA-Z]|://)"
        rf"(?P<port>:(?:\d{{2,5}}\b))?(?P<path>/[\w-]+)?"
    )


def is_host_variable(variable: str) -> bool:
    """Whether a variable's whole value is a host name, if it is a name at all."""
    return bool(_HOST_VARIABLE.search(variable))


def hosts_in(scene: Scene, text: str, variable: str = "") -> Iterator[tuple[str, int]]:
    """The units that a text names as hosts, with the port after each, or 0."""
    if not scene.hosts:
        return
    text = interpolation.plain(text)
    for match in _pattern(tuple(scene.hosts)).finditer(text):
        if _is_host(match, text, variable):
            yield scene.hosts[match["host"]], int((match["port"] or ":0")[1:])


def _is_host(match: re.Match[str], text: str, variable: str) -> bool:
    if match["before"] in ("//", "@") or match["login"] or match["port"]:
        return True
    before = text[: match.start("host")]
    if _HOST_KEY.search(before) or (before.endswith(":-") and is_host_variable(variable)):
        return True
    return match["host"] == text.strip() and is_host_variable(variable)


def rewritten(
    scene: Scene, text: str, variable: str = "", user: str = "", uses: Collection[str] | None = None
) -> list[str]:
    """A text as the manifest may say it, the best form first: with other names and references to stores.

    `user`: whose password it is, if it is one, and of one of the stores that are `uses`.
    """
    forms = (_rewritten(scene, _formed(scene, form, text), form, variable, user, uses) for form in FORMS)
    return list(dict.fromkeys(forms))


def _rewritten(
    scene: Scene, text: str, form: Form, variable: str, user: str, uses: Collection[str] | None
) -> str:
    if not text:
        return text
    for store in scene.stores.values():
        values = {name: _formed(scene, form, value) for name, value in store.options.items()}
        original = next((host for host, unit in scene.hosts.items() if unit == store.name), store.name)
        if text in urls(store.kind, original, values):
            return f"${{{store.name}.url}}"
        for option in _passwords(store, user) if variable and (uses is None or store.name in uses) else ():
            private = is_secret(variable, text) or "$" in store.options.get(option, "")
            if private and values.get(option) == text and _belongs(scene, store, variable):
                return f"${{{store.name}.{option}}}"
    if scene.hosts:
        text = _pattern(tuple(scene.hosts)).sub(lambda match: _host(scene, match, text, form, variable), text)
    return _without_secrets(scene, text, form, variable)


def _belongs(scene: Scene, store: StoreUnit, variable: str) -> bool:
    """Whether a variable is about this store and no other that has the same password."""
    others = [
        other
        for other in scene.stores.values()
        if other is not store and set(other.options.values()) & {store.options.get("password", "")}
    ]
    return not others or store.kind.kind.split("_")[0][:5].upper() in variable.upper()


def _host(scene: Scene, match: re.Match[str], text: str, form: Form, variable: str) -> str:
    """A host in a text, in the words of the manifest: another name, or a reference to a store's parts."""
    if not _is_host(match, text, variable):
        return match[0]
    name = scene.hosts[match["host"]]
    login, before, port, path = (match[key] or "" for key in ("login", "before", "port", "path"))
    store = scene.stores.get(name)
    if store is None:
        return f"{login}{before}{name}{port}{path}"
    values = {key: _formed(scene, form, value) for key, value in store.options.items()}
    if login and (parts := _login(store, login[:-1], values)):
        login = f"{parts}@"
    if port and store.kind.ports.get(int(port[1:])) == store.kind.ports.get(store.kind.port):
        port = f":${{{name}.port}}"
    if path and login and path[1:] == values.get("database"):
        path = f"/${{{name}.database}}"
    return f"{login}{before}${{{name}.host}}{port}{path}"


def _login(store: StoreUnit, login: str, values: Mapping[str, str]) -> str:
    user, colon, password = login.partition(":")
    if user and user == values.get("user"):
        user = f"${{{store.name}.user}}"
    for option in _passwords(store, login.partition(":")[0]):
        if password and password in (values.get(option), interpolation.plain(store.options.get(option, ""))):
            password = f"${{{store.name}.{option}}}"
            break
    return user + colon + password


def _passwords(store: StoreUnit, user: str) -> tuple[str, ...]:
    """The options that hold passwords, that of a user first: several may have one value."""
    root = user == "root" and store.options.get("user") != "root"
    return tuple(sorted(store.kind.secret, key=lambda option: option.startswith("root") != root))


def _without_secrets(scene: Scene, text: str, form: Form, variable: str) -> str:
    """The text with values that were moved to secrets referred to, where they stand as a password."""
    names = {f"${{secret.{secret}}}": (value, "") for secret, value in scene.moved.items()}
    for store in scene.stores.values():
        if f"${{{store.name}." in text:
            passwords = (option for option in store.kind.secret if option in store.options)
            user = store.options.get("user", "")
            names |= {f"${{{store.name}.{option}}}": (store.options[option], user) for option in passwords}
    for reference, (value, user) in names.items():
        written = _formed(scene, form, value)
        if not variable and text == written and telling(value):
            return reference
        if not variable and len(written) > 2:
            text = _with_argument(text, written, user, reference, anywhere=telling(value))
        if len(written) > 2:
            text = text.replace(f":{written}@", f":{reference}@")
            pattern = _PASSWORD_KEY.format(value=re.escape(written))
            before, *after = re.split(pattern, text, flags=re.IGNORECASE)
            pairs = zip(after[::2], after[1::2], strict=True)
            text = before + "".join(f"{key}{reference}{rest}" for key, rest in pairs)
    return text


def _with_argument(text: str, password: str, user: str, reference: str, *, anywhere: bool) -> str:
    """A command with a password among its words referred to; `anywhere`: it is no word that means more."""
    value = re.escape(password)
    if anywhere:
        text = re.sub(rf"(?<![\w./-]){value}(?![\w./-])", lambda _: reference, text)
    pattern = _ARGUMENT.format(value=value, user=re.escape(user or "\0"))
    return re.sub(pattern, lambda match: match[1] + reference, text)


def rewrite_words(scene: Scene, words: list[str]) -> list[list[str]]:
    """The words of a command, as `rewritten` does each."""
    forms = [rewritten(scene, word) for word in words]
    most = max((len(form) for form in forms), default=1)
    return [[form[min(index, len(form) - 1)] for form in forms] for index in range(most)]


def named_in(text: str, name: str) -> bool:
    """Whether a text has a name where an address has its host."""
    return any(
        match["before"] in ("//", "@") or match["port"] or re.search(rf"server\s+{re.escape(name)}\b", text)
        for match in _pattern((name,)).finditer(text)
    )
