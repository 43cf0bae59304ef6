"""A program of Go that a Dockerfile builds is built on this machine, before it runs."""

from __future__ import annotations

from devenv.render.process.built import command
from tests.table import each_row

BUILD = 'mkdir -p "$DEVENV_BUILT"; go build {}-o "$DEVENV_BUILT/"{} {}'
RUN = '; exec "$DEVENV_BUILT/"{} "$@"'


@each_row(
    {
        "its own output": (["/bin/api", "-v"], ["CGO_ENABLED=0 go build -o /bin/api ./cmd/api"], "", "./cmd/api"),
        "no output": (["./shop"], ["go mod download", "go build -ldflags '-s -w' ./cmd/shop"], "", "./cmd/shop"),
        "a folder": (["/out/api"], ["go build -trimpath -o /out/ ./cmd/api && ls"], "", "./cmd/api"),
        "tags": (["/api"], ["go build -tags=a,b -o /api"], "-tags a,b ", "."),
        "another name": (["/usr/local/bin/server"], ["go build -o /src/main ."], "", "."),
        "one of two": (["/b"], ["go build -o /a ./a && go build -o /b ./b"], "", "./b"),
    }
)  # fmt: skip
def test_it_is_built_from_what_the_dockerfile_builds(
    words: list[str], runs: list[str], tags: str, package: str
) -> None:
    name = words[0].rpartition("/")[2]
    build = BUILD.format(tags, name, package)
    assert command(words, runs) == (build, ("sh", "-ec", build + RUN.format(name), "sh", *words[1:]))


@each_row(
    {
        "another program": (["python", "app.py"], ["go build -o /tool ./tool"]),
        "none is built": (["/bin/api"], ["apt-get install api"]),
        "nothing": ([], []),
    }
)
def test_other_words_stay_as_they_are(words: list[str], runs: list[str]) -> None:
    assert command(words, runs) == ("", words)
