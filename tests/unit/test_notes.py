"""Notes beside a plan about what goes into images."""

from __future__ import annotations

from devenv.plan.notes import large_contexts, one_of_many, secret_arguments

from .stacks import stack

BUILDS = """
    name: shop
    services:
      api:
        build: {context: ./api, args: {TOKEN: "${secret.NPM}", MODE: production}}
        port: 80
        uses: [postgres]
      web: {build: {context: ./web, args: {KEY: "${postgres.password}"}}}
      plain: {build: {context: ./plain, args: {MODE: development}, secrets: {npm: $NPM}}}
    jobs:
      migrate: {like: api, command: migrate}
"""


def test_a_secret_in_a_build_argument_is_named_once_per_build() -> None:
    assert [path for path, _ in secret_arguments(stack(BUILDS))] == [
        ("services", "api", "build", "args", "TOKEN"),
        ("services", "web", "build", "args", "KEY"),
    ]


def test_several_of_a_service_are_said_to_be_one_here() -> None:
    shop = stack("name: shop\nservices: {web: {image: x, replicas: 2}, api: {image: x}}\n")
    assert one_of_many(shop) == ["one web runs here; its replicas: 2 count on a cluster"]


def files(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "digest")


def many(folder: str, number: int = 1000) -> tuple[str, ...]:
    return tuple(f"{folder}/{index}.js" for index in range(number))


def test_a_large_folder_that_is_sent_to_a_build_is_named_with_the_line_that_leaves_it_out() -> None:
    contents = {("./web", "Dockerfile"): files("package.json", *many("node_modules/left-pad"))}
    assert list(large_contexts(contents)) == [
        "node_modules has 1000 of the 1001 files that are sent to build ./web; "
        "leave it out: echo 'node_modules' >> web/.dockerignore"
    ]


def test_folders_of_one_name_are_one_line_and_the_builds_own_ignore_file_is_named() -> None:
    names = [*many("a/node_modules", 600), *many("b/node_modules/x/node_modules", 600)]
    (line,) = large_contexts({(".", "deploy/Dockerfile"): files("deploy/Dockerfile.dockerignore", *names)})
    assert line.startswith("**/node_modules has 1200 of the 1201 files")
    assert line.endswith("echo '**/node_modules' >> deploy/Dockerfile.dockerignore")


def test_few_files_and_files_of_ones_own_are_no_reason() -> None:
    small = files(*many("node_modules", 900), *many("src", 200))
    own = files(*many("src"), *many("node_modules_of_mine"))
    assert list(large_contexts({(".", "a"): small, (".", "b"): own})) == []
