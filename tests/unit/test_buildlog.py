"""The card of a failed build shows the step, its line, and those lines of its output that say why."""

from __future__ import annotations

from devenv.backends.buildlog import Failure, alone, failure, recipe, telling
from devenv.stack.model import Build
from tests.table import each_row

NPM = r"""
#5 [2/4] WORKDIR /app
#5 CACHED
#6 [3/4] RUN echo "{"dependencies":{"this-does-not-exist-xyz-1":"1"}}" > package.json
#6 DONE 2.3s
#7 [4/4] RUN npm install
#7 12.63 npm error code E404
#7 12.70 npm error 404 Not Found - GET https://registry.example/this-does-not-exist-xyz-1
#7 12.70 npm error 404
#7 12.70 npm error 404  The requested resource 'this-does-not-exist-xyz-1@1' could not be found or you do not have permission to access it.
#7 12.70 npm error 404
#7 12.70 npm error 404 Note that you can also install from a
#7 12.70 npm error 404 tarball, folder, http url, or git url.
#7 12.70 npm notice
#7 12.70 npm notice New major version of npm available! 11.17.0 -> 12.2.1
#7 12.70 npm notice Changelog: https://github.com/npm/cli/releases/tag/v12.2.1
#7 12.70 npm notice To update run: npm install -g npm@12.2.1
#7 12.70 npm notice
#7 12.70 npm error A complete log of this run can be found in: /root/.npm/_logs/2026-11-26T16_02_06_735Z-debug-0.log
#7 ERROR: process "/bin/sh -c npm install" did not complete successfully: exit code: 1
------
 > [4/4] RUN npm install:
12.70 npm error 404  The requested resource 'this-does-not-exist-xyz-1@1' could not be found or you do not have permission to access it.
12.70 npm error 404
12.70 npm error 404 Note that you can also install from a
12.70 npm error 404 tarball, folder, http url, or git url.
12.70 npm notice
12.70 npm notice New major version of npm available! 11.17.0 -> 12.2.1
12.70 npm notice Changelog: https://github.com/npm/cli/releases/tag/v12.2.1
12.70 npm notice To update run: npm install -g npm@12.2.1
12.70 npm notice
12.70 npm error A complete log of this run can be found in: /root/.npm/_logs/2026-11-26T16_02_06_735Z-debug-0.log
------
npm.Dockerfile:4
--------------------
   2 |     WORKDIR /app
   3 |     RUN echo "{\"dependencies\":{\"this-does-not-exist-xyz-1\":\"1\"}}" > package.json
   4 | >>> RUN npm install
   5 |
--------------------
ERROR: failed to build: failed to solve: process "/bin/sh -c npm install" did not complete successfully: exit code: 1
"""
PIP = r"""
#5 [2/2] RUN pip install "this-does-not-exist-xyz-1==3"
#5 8.965 ERROR: Could not find a version that satisfies the requirement this-does-not-exist-xyz-1==3 (from versions: none)
#5 8.969 ERROR: No matching distribution found for this-does-not-exist-xyz-1==3
#5 ERROR: process "/bin/sh -c pip install \"this-does-not-exist-xyz-1==3\"" did not complete successfully: exit code: 1
------
 > [2/2] RUN pip install "this-does-not-exist-xyz-1==3":
8.965 ERROR: Could not find a version that satisfies the requirement this-does-not-exist-xyz-1==3 (from versions: none)
8.969 ERROR: No matching distribution found for this-does-not-exist-xyz-1==3
------
pip.Dockerfile:2
--------------------
   1 |     FROM python:3.13-slim
   2 | >>> RUN pip install "this-does-not-exist-xyz-1==3"
   3 |
--------------------
ERROR: failed to build: failed to solve: process "/bin/sh -c pip install \"this-does-not-exist-xyz-1==3\"" did not complete successfully: exit code: 1
"""
COPY = r"""
#5 [internal] load build context
#5 transferring context: 2B done
#5 DONE 0.0s
#6 [2/2] COPY nosuch.txt /
#6 ERROR: failed to calculate checksum of ref f86b2a6c-96b4-461c-9630-0bb4eff87d5a::kl5cz7w6xxoglwd1csf29iri0: "/nosuch.txt": not found
------
 > [2/2] COPY nosuch.txt /:
------
copy.Dockerfile:2
--------------------
   1 |     FROM debian:trixie-slim
   2 | >>> COPY nosuch.txt /
   3 |
--------------------
ERROR: failed to build: failed to solve: failed to compute cache key: failed to calculate checksum of ref f86b2a6c-96b4-461c-9630-0bb4eff87d5a::kl5cz7w6xxoglwd1csf29iri0: "/nosuch.txt": not found
"""
PARSE = r"""
parse.Dockerfile:2
--------------------
   1 |     FROM debian:trixie-slim
   2 | >>> RUM echo a
   3 |
--------------------
ERROR: failed to build: failed to solve: dockerfile parse error on line 2: unknown instruction: RUM (did you mean RUN?)
"""
MAVEN = """
[INFO] Scanning for projects...
[ERROR] COMPILATION ERROR :
[ERROR] /src/App.java:[3,5] cannot find symbol
[ERROR]   symbol:   class Foo
[INFO] 1 error
[ERROR] Failed to execute goal org.apache.maven.plugins:maven-compiler-plugin:3.11.0:compile: Compilation failure
[ERROR]
[ERROR] -> [Help 1]
[ERROR]
[ERROR] To see the full stack trace of the errors, re-run Maven with the -e switch.
[ERROR] Re-run Maven using the -X switch to enable full debug logging.
[ERROR]
[ERROR] For more information about the errors and possible solutions, please read the following articles:
[ERROR] [Help 1] http://cwiki.apache.org/confluence/display/MAVEN/MojoFailureException
"""
LONG = [
    *(f"main.c:{number}:3: warning: unused" for number in range(100)),
    "main.c:77:3: error: expected ';' before 'return'",
    "   77 |   return 0",
    "      |   ^",
    *(f"make: leaving {number}" for number in range(100)),
]

FAILURES = {
    "npm": (
        NPM,
        Failure(
            "RUN npm install",
            4,
            (
                "npm error 404 Not Found - GET https://registry.example/this-does-not-exist-xyz-1",
                "npm error 404  The requested resource 'this-does-not-exist-xyz-1@1' could not be found or you do"
                " not have permission to access it.",
                "npm error 404 Note that you can also install from a",
                "npm error 404 tarball, folder, http url, or git url.",
            ),
        ),
    ),
    "pip": (
        PIP,
        Failure(
            'RUN pip install "this-does-not-exist-xyz-1==3"',
            2,
            (
                "ERROR: Could not find a version that satisfies the requirement this-does-not-exist-xyz-1==3"
                " (from versions: none)",
                "ERROR: No matching distribution found for this-does-not-exist-xyz-1==3",
            ),
        ),
    ),
    "a file that is not there": (
        COPY,
        Failure(
            "COPY nosuch.txt /",
            2,
            (
                "failed to compute cache key: failed to calculate checksum of ref"
                ' f86b2a6c-96b4-461c-9630-0bb4eff87d5a::kl5cz7w6xxoglwd1csf29iri0: "/nosuch.txt": not found',
            ),
        ),
    ),
    "a Dockerfile that is none": (
        PARSE,
        Failure("", 2, ("dockerfile parse error on line 2: unknown instruction: RUM (did you mean RUN?)",)),
    ),
}


@each_row(FAILURES)
def test_a_build_that_failed_is_told_by_its_step_its_line_and_its_errors(log: str, shown: Failure) -> None:
    assert failure([line for line in log.splitlines() if line]) == shown


def test_what_maven_ends_with_is_not_why_it_failed() -> None:
    assert telling(MAVEN.splitlines())[2:] == [
        "[ERROR] /src/App.java:[3,5] cannot find symbol",
        "[ERROR]   symbol:   class Foo",
        "[INFO] 1 error",
        "[ERROR] Failed to execute goal org.apache.maven.plugins:maven-compiler-plugin:3.11.0:compile:"
        " Compilation failure",
    ]


def test_the_first_errors_go_before_the_last_lines() -> None:
    shown = telling(LONG)
    assert shown[:3] == LONG[100:103]
    assert shown[3:] == LONG[-12:]


def test_another_step_that_was_cancelled_is_not_shown() -> None:
    log = [
        "#5 [stage-1 2/3] RUN other",
        "#6 [a 2/2] RUN echo from a; exit 3",
        "#5 3.500 other 1",
        "#6 3.553 from a",
        '#6 ERROR: process "/bin/sh -c echo from a; exit 3" did not complete successfully: exit code: 3',
        "#5 CANCELED",
        "Dockerfile:2",
    ]
    assert failure(log) == Failure("RUN echo from a; exit 3", 2, ("from a",))


@each_row(
    {
        "a folder": (Build("./api"), "api/Dockerfile", "docker build ./api"),
        "a Dockerfile elsewhere": (
            Build(".", "apps/api/Dockerfile", target="dev", args=(("NODE", "24"),)),
            "apps/api/Dockerfile",
            "docker build -f apps/api/Dockerfile --target dev --build-arg NODE=24 .",
        ),
        "one outside of its context": (Build("./src", "../docker/a b"), "docker/a b", "docker build -f 'docker/a b' ./src"),
        "a repository": (Build("https://git.io/a.git", "b/Dockerfile", remote=True), "https://git.io/a.git/b/Dockerfile", "docker build -f b/Dockerfile https://git.io/a.git"),
    }
)  # fmt: skip
def test_a_build_can_be_repeated_alone(build: Build, dockerfile: str, command: str) -> None:
    assert (recipe(build), alone(build)) == (dockerfile, command)
