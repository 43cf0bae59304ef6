"""Which programs take up changed files by themselves, judged by the command that starts them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devenv.stack.dockerfile import words

_PROGRAMS = ("/etc/", "/usr/local/etc/", "/usr/local/bin/", "/docker-entrypoint")
_SETTINGS = (*_PROGRAMS, "/usr/local/apache2/conf/")


@dataclass(frozen=True, slots=True)
class Reloader:
    """What takes up changed files, and how, in words; not below the folders of `outside`.

    One that is not `trusted` misses some of them, so that it has to be started again all the same.
    """

    name: str
    how: str = "restarts by itself"
    outside: tuple[str, ...] = _PROGRAMS
    trusted: bool = True

    @property
    def shown(self) -> str:
        """One sentence."""
        return f"{self.name} {self.how}"


RELOADERS: Mapping[str, str] = {
    # Python
    "uvicorn --reload": r"uvicorn\b.* --reload(?![\w-])",
    "gunicorn --reload": r"gunicorn\b.* --reload(?![\w-])",
    "hypercorn --reload": r"hypercorn\b.* --reload(?![\w-])",
    "granian --reload": r"granian\b.* --reload(?![\w-])",
    "fastapi dev": r"fastapi dev\b(?!.* --no-reload)",
    "flask --debug": r"(?:flask|quart)\b(?=.* run\b)(?=.* --(?:debug|reload)\b)(?!.* --no-reload)",
    "manage.py runserver": r"(?:manage\.py|django-admin|django) runserver(?:_plus)?\b(?!.* --noreload)",
    "litestar --reload": r"litestar\b.* (?:--reload|-r)\b",
    "sanic --dev": r"sanic\b.* (?:--dev|--auto-reload|--reload|-d|-r)\b",
    "streamlit run": r"streamlit run\b",
    "watchfiles": r"watchfiles\b",
    "watchmedo": r"watchmedo (?:auto-restart|shell-command)\b",
    "mkdocs serve": r"mkdocs serve\b",
    # JavaScript
    "nodemon": r"nodemon\b",
    "tsx watch": r"tsx watch\b",
    "ts-node-dev": r"(?:ts-node-dev|tsnd)\b",
    "vite": r"vite(?! (?:build|preview|optimize))\b",
    "next dev": r"next dev\b",
    "nuxt dev": r"nuxi? dev\b|nuxt dev\b",
    "ng serve": r"ng serve\b",
    "nest start --watch": r"nest start\b.* (?:--watch|-w)\b",
    "webpack serve": r"webpack(?:-dev-server| serve|-cli serve)\b",
    "react-scripts start": r"react-scripts start\b",
    "vue-cli-service serve": r"vue-cli-service serve\b",
    "astro dev": r"astro dev\b",
    "remix dev": r"remix (?:vite:)?dev\b",
    "react-router dev": r"react-router dev\b",
    "gatsby develop": r"gatsby develop\b",
    "parcel": r"parcel(?! build)\b",
    "bun --watch": r"bun\b.* --(?:watch|hot)\b",
    "deno --watch": r"deno\b.* --watch(?:-hmr)?\b",
    "wrangler dev": r"wrangler (?:pages )?dev\b",
    "pm2 --watch": r"pm2(?:-runtime|-dev)?\b.* --watch\b",
    # Go and Rust
    "air": r"(?:go tool )?air(?! init)(?= -|$)",
    "CompileDaemon": r"CompileDaemon\b",
    "reflex": r"reflex -",
    "gow": r"gow\b",
    "wgo": r"wgo\b",
    "cargo watch": r"cargo[ -]watch\b",
    "bacon": r"bacon\b",
    # Ruby and Elixir
    "rails server": r"(?:bin/)?rails (?:s|server)\b(?!.* (?:-e|--environment)[ =](?:production|test))",
    "rerun": r"rerun\b",
    "jekyll serve": r"jekyll (?:s|serve|server)\b",
    "mix phx.server": r"mix phx\.server\b",
    # Java and .NET
    "quarkus dev": r"(?:mvnw?|gradlew?)\b.* quarkus(?::dev|Dev)\b|quarkus dev\b",
    "gradle --continuous": r"gradlew?\b.* (?:--continuous|-t)\b",
    "dotnet watch": r"dotnet watch\b(?!.* --no-hot-reload)",
    # any
    "watchexec": r"watchexec\b",
    "entr": r"entr -",
    "hugo server": r"hugo (?:server|serve)\b",
}
"""Name -> pattern of a command from the name of its program on."""

SHORT_SIGHTED: Mapping[str, str] = {
    "node --watch": r"node\b[^;&|]* --watch(?:-path\S*)?(?![\w-])",
}
"""Programs that on Linux watch a file itself and not its name, so that they lose it once it is replaced."""

SERVERS: Mapping[str, str] = {
    "php": r"php\b.* -S |(?:php )?artisan serve\b|symfony (?:server:start|serve)\b"
    r"|apache2-foreground\b|php-fpm\b",
    "nginx": r"nginx\b",
    "Apache": r"(?:httpd|apache2|apachectl|apache2ctl)\b|httpd-foreground\b",
    "Caddy": r"caddy (?:run|file-server)\b",
    "http.server": r"http\.server\b",
    "http-server": r"http-server\b",
    "serve": r"serve(?= -| \S*(?:/|build|dist|public)|$)",
}
"""Servers that read their files at every request: name -> pattern of its command."""

BASES: Mapping[str, str] = {
    r"(?:.*/)?nginx(?:-unprivileged)?(?::|@|$)": "nginx",
    r"(?:.*/)?httpd(?::|@|$)": "httpd-foreground",
    r"(?:.*/)?php:[^/]*apache": "apache2-foreground",
    r"(?:.*/)?php:[^/]*fpm": "php-fpm",
    r"(?:.*/)?caddy(?::|@|$)": "caddy run",
}
"""Base image -> what it starts where the Dockerfile names nothing."""

_WHERE = r"(?: (?:-F|-w|-C|--filter|--workspace|--prefix|--dir|--cwd|workspace) \S+| --?[\w-]+(?:=\S+)?)*"
_RUNNER = rf"(?:npm|pnpm|yarn|bun){_WHERE}(?: run| run-script)?{_WHERE} "
_ANY_SCRIPT = _RUNNER + r"([\w:.-]+)"
_DEV_SCRIPT = _RUNNER + r"((?:start:|serve:)?(?:dev|watch|develop)(?:[:-]\w+)*)(?![\w:-])"
_BEFORE = (
    r"(?:^|/|[;&|(]\s*|\w+=\S+ |(?:\.sh|entrypoint|\bexec| -c|\bruby|\bnode|\bbundle exec) "
    r"|\b(?:npx|pnpx|bunx|uvx|env|tini|dumb-init|gosu \S+|su-exec \S+)(?: --?\S*)* "
    r"|\b(?:yarn|pnpm|npm exec|pnpm exec|pnpm dlx)(?: --)? "
    r"|\b(?:poetry|uv|pdm|pipenv|hatch|rye) run(?: --?\S+)* "
    r"|\bpython[\d.]*(?: -[uBOX]\S*)* (?:-m )?)"
)
"""What may come before a program's name."""

_NOT_IN_PRODUCTION = {"rails server": ("RAILS_ENV", "RACK_ENV"), "mix phx.server": ("MIX_ENV",)}
_BY_VARIABLE = (
    ("FLASK_DEBUG", r"(?:flask|quart)\b.* run\b(?!.* --no-(?:reload|debug))", "FLASK_DEBUG"),
    ("UVICORN_RELOAD", r"uvicorn\b", "UVICORN_RELOAD"),
)


def reloader(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    base: str = "",
    scripts: Mapping[str, str] | None = None,
) -> Reloader | None:
    """What in a command takes up changed files; None if nothing is known to.

    `base` is the base image, which starts something where there is no command. `scripts` are those of
    `package.json`; without them a script's name tells (`npm run dev`).
    """
    default = next((line for image, line in BASES.items() if re.match(image, base)), "")
    return _of_line(" ".join(command) or default, environment, scripts or {}, depth=3)


def _of_line(
    line: str, environment: Mapping[str, str], scripts: Mapping[str, str], depth: int
) -> Reloader | None:
    script = re.search(_BEFORE + _ANY_SCRIPT, line)
    if script and script[1] in scripts and depth:
        return _of_line(scripts[script[1]], environment, scripts, depth - 1)
    for name, pattern in RELOADERS.items():
        if re.search(_BEFORE + f"(?:{pattern})", line) and not _in_production(name, environment):
            return Reloader(name)
    for name, pattern in SHORT_SIGHTED.items():
        if re.search(_BEFORE + f"(?:{pattern})", line):
            return Reloader(name, "loses sight of a file that is replaced", trusted=False)
    for variable, pattern, name in _BY_VARIABLE:
        if environment.get(variable, "").lower() in ("1", "true", "yes", "on") and re.search(
            _BEFORE + pattern, line
        ):
            return Reloader(name)
    for name, pattern in SERVERS.items():
        if re.search(_BEFORE + f"(?:{pattern})", line):
            return Reloader(name, "reads its files at every request", _SETTINGS)
    if (script := re.search(_BEFORE + _DEV_SCRIPT, line)) and script[1] not in scripts:
        return Reloader(f"the script {script[1]}", "restarts by itself, judged by its name")
    return None


def _in_production(name: str, environment: Mapping[str, str]) -> bool:
    variables = _NOT_IN_PRODUCTION.get(name, ())
    return any(
        environment.get(variable, "development") not in ("development", "dev") for variable in variables
    )


def starters(command: Sequence[str]) -> tuple[str, ...]:
    """The scripts that a command starts by path: a reloader does not start these again."""
    line = words(command[2]) if command[:2] == ("sh", "-c") and len(command) > 2 else list(command)
    if line[:1] and line[0].rpartition("/")[2] in ("sh", "bash", "ash"):
        line = [word for word in line[1:] if not word.startswith("-")]
    return tuple(word for word in line[:1] if "/" in word or word.endswith(".sh"))
