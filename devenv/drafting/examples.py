"""What an example of `.env` says of a service: the stores that it uses, its secrets, its other variables."""

from __future__ import annotations

import re
from collections.abc import Mapping

from devenv.drafting.draft import Draft
from devenv.drafting.interpolation import escaped
from devenv.drafting.languages import CONNECTIONS, DIALECTS, INJECTED, PARTS, PREFIXES, SCHEMES, STORE_PORTS
from devenv.stack.secretnames import is_secret

FILES = (".env.example", ".env.sample", ".env.template", ".env.dist", "env.example")
_ASSIGNMENT = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_URL = re.compile(r"(\w+?)(?:\+\w+)?://[^\s\"']+")
_DRIVEN = re.compile(r"(?P<scheme>(?P<kind>\w+?)\+\w+)://[^\s\"'?]+(?P<query>\?\S*)?")
_NUMBERED = re.compile(r"redis://[^\s/@]+/([1-9]\d*)")
_PUBLIC = re.compile(r"PUBLIC|EXTERNAL|BROWSER|CDN", re.IGNORECASE)
_HERE = re.compile(r"(?:localhost|127\.0\.0\.1):(\d+)")


def assignments(text: str) -> dict[str, str]:
    """The variables that an example gives a value."""
    return {name: value.strip("\"'") for name, value in _ASSIGNMENT.findall(text)}


def named(variables: Mapping[str, str]) -> dict[str, str]:
    """The kinds that the values of variables name -> the variable."""
    named: dict[str, str] = {}
    for variable, value in variables.items():
        kind = CONNECTIONS.get(value) if variable == "DB_CONNECTION" else ""
        if url := _URL.match(value):
            kind = SCHEMES.get(url[1], "")
        if variable.endswith("_PORT") and variables.get(variable[:-4] + "HOST") in ("localhost", "127.0.0.1"):
            kind = STORE_PORTS.get(value, "")
        if kind:
            named.setdefault(kind, variable)
    return named


def with_driver(scheme: str, kind: str, query: str = "") -> str:
    """The address of a database, with a scheme that names a driver."""
    user, password, host, port, database = (
        f"${{{kind}.{part}}}" for part in ("user", "password", "host", "port", "database")
    )
    return f"{scheme}://{user}:{password}@{host}:{port}/{database}{query}"


def write(result: Draft, name: str, file: str, text: str, uses: set[str]) -> None:
    """Variables of an example: what `uses` brings is left out, secrets are named, others have a default."""
    path = ("services", name)
    secrets: list[str] = result.value["services"][name].get("secrets", [])  # of another example
    for variable, value in assignments(text).items():
        if reference := _driven(value, uses):
            result.set((*path, "env", variable), reference)
            note = f"with the driver that its address in {file} names"
            result.say("derived", f"{name}.env.{variable}", note)
        elif not _numbered(value, uses) and any(variable in INJECTED[kind] for kind in uses):
            result.say("derived", variable, f"in {file}: given to whoever uses the store")
        elif reference := _part_of(variable, uses) or _address(variable, value, uses):
            result.set((*path, "env", variable), reference)
            result.say("derived", f"{name}.env.{variable}", f"{reference}, for the name in {file}")
        elif is_secret(variable, value or "?"):
            secrets = [*dict.fromkeys((*secrets, variable))]
            result.say("derived", f"{name}.secrets {variable}", f"named in {file}; its value comes from .env")
        elif variable != "PORT" or value == str(result.value["services"][name].get("port")):
            own = escaped(value)
            result.set((*path, "env", variable), f"${{env.{variable}:-{own}}}", own)
            result.say("derived", f"{name}.env.{variable}", f"from {file}; .env may say another value")
    if secrets:
        result.set((*path, "secrets"), secrets)


def _driven(value: str, uses: set[str]) -> str:
    """The reference to a database whose address names a driver, as `mysql+pymysql://`, or ""."""
    url = _DRIVEN.fullmatch(value)
    kind = SCHEMES.get(url["kind"], "") if url else ""
    return with_driver(url["scheme"], kind, url["query"] or "") if url and kind in uses & {*DIALECTS} else ""


def _numbered(value: str, uses: set[str]) -> str:
    """The reference to a database of Valkey that is not its first, as `redis://localhost:6379/2`, or ""."""
    url = _NUMBERED.fullmatch(value)
    return f"redis://${{valkey.host}}:${{valkey.port}}/{url[1]}" if url and "valkey" in uses else ""


def _address(variable: str, value: str, uses: set[str]) -> str:
    """The reference to a store whose address on this machine a value is, or "".

    One that a browser is given, by the name of its variable, is that of this machine.
    """
    if reference := _numbered(value, uses):
        return reference
    url = _URL.fullmatch(value)
    if url and SCHEMES.get(url[1]) in uses:
        return f"${{{SCHEMES[url[1]]}.url}}"
    here = _HERE.fullmatch(value.removeprefix("http://").rstrip("/"))
    kind = STORE_PORTS.get(here[1], "") if here else ""
    if kind in uses and value.startswith("http://"):
        return f"${{{kind}.public_url}}" if _PUBLIC.search(variable) else f"${{{kind}.url}}"
    return f"${{{kind}.host}}:${{{kind}.port}}" if kind in uses else ""


def _part_of(variable: str, uses: set[str]) -> str:
    """The reference to a store's part that a variable such as `DB_HOST` or `S3_ACCESS_KEY` names, or ""."""
    for kind in sorted(uses & set(PARTS)):
        ends = {f"{prefix}_{end}": part for prefix in PREFIXES[kind] for end, part in PARTS[kind].items()}
        if variable in ends:
            return f"${{{kind}.{ends[variable]}}}"
    return ""
