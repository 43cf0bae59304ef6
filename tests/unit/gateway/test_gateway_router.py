"""Router: Kong's order of routes and its path handling, as pure functions."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from multidict import CIMultiDict, CIMultiDictProxy

from devenv.gateway.config import load
from devenv.gateway.draft import Refused
from devenv.gateway.router import Router, normalized
from tests.table import each_row


def router(**routes: dict[str, Any]) -> Router:
    services = [
        {
            "name": name,
            "url": route.pop("url", "http://upstream"),
            "routes": [{"name": name, **route}],
        }
        for name, route in routes.items()
    ]
    return Router(load(yaml.safe_dump({"_format_version": "3.0", "services": services})).routes)


def taken(
    routes: Router,
    target: str,
    *,
    method: str = "GET",
    host: str = "localhost",
    headers: dict[str, str] | None = None,
) -> str | None:
    fields = CIMultiDictProxy(CIMultiDict(headers or {}))
    match = routes.match(method, host, normalized(target), fields)
    return match.route.name if match else None


@each_row(
    [
        ("/", "root"),
        ("/api", "api"),
        ("/api/orders", "orders"),
        ("/api/orders2", "orders"),
        ("/API/orders", "root"),
        ("/api/v12/orders", "regex"),
        ("/api/v9/x", "api"),
        ("/api/../api/orders", "orders"),
        ("//api//orders", "orders"),
        ("/%61pi/orders", "orders"),
    ]
)
def test_regexes_go_before_prefixes_and_long_prefixes_before_short(path: str, expected: str) -> None:
    routes = router(
        root={"paths": ["/"]},
        api={"paths": ["/api"]},
        orders={"paths": ["/api/orders"]},
        regex={"paths": [r"~/api/v\d+/orders$"]},
    )
    assert taken(routes, path) == expected


def test_a_regex_with_a_higher_priority_goes_first() -> None:
    routes = router(
        low={"paths": ["~/a.*"]},
        high={"paths": ["~/ab?"], "regex_priority": 1},
    )
    assert taken(routes, "/abc") == "high"


def test_the_greater_id_decides_between_equals() -> None:
    # Made of the name as Kong does: 2ccad8ae-... and 8b279206-...
    routes = {"first": {"paths": ["/a"]}, "second": {"paths": ["/a"]}}
    for names in (routes, dict(reversed(routes.items()))):
        assert taken(router(**names), "/a") == "second"


@each_row(
    [
        ({"host": "shop.localhost"}, "host"),
        ({"host": "shop.localhost:8000"}, "host"),
        ({"host": "SHOP.localhost"}, "path"),
        ({"host": "a.wild.localhost"}, "left"),
        ({"host": "site.org"}, "right"),
        ({"host": "ported.localhost:8443"}, "port"),
        ({"host": "ported.localhost"}, "path"),
        ({"method": "DELETE"}, "method"),
        ({"method": "POST", "host": "shop.localhost"}, "both"),
        ({"headers": {"X-Version": "V2"}}, "header"),
        ({"headers": {"x-version": "v31"}}, "pattern"),
        ({"headers": {"x-version": "v4"}}, "path"),
        ({}, "path"),
    ]
)
def test_more_attributes_go_first(request_: dict[str, Any], expected: str) -> None:
    routes = router(
        path={"paths": ["/api/long"]},
        method={"paths": ["/api"], "methods": ["DELETE"]},
        host={"paths": ["/api"], "hosts": ["shop.localhost"]},
        both={"paths": ["/api"], "hosts": ["shop.localhost"], "methods": ["POST"]},
        left={"paths": ["/api"], "hosts": ["*.wild.localhost"]},
        right={"paths": ["/api"], "hosts": ["site.*"]},
        port={"paths": ["/api"], "hosts": ["ported.localhost:8443"]},
        header={"paths": ["/api"], "headers": {"x-version": ["v1", "v2"]}},
        pattern={"paths": ["/api"], "headers": {"x-version": ["~*^v3\\d$"]}},
    )
    assert taken(routes, "/api/long", **request_) == expected


def test_a_plain_host_goes_before_a_wildcard_and_more_headers_before_fewer() -> None:
    routes = router(
        wild={"hosts": ["*.localhost"], "paths": ["/much/longer"]},
        plain={"hosts": ["a.localhost"], "paths": ["/"]},
        one={"headers": {"a": ["1"]}},
        two={"headers": {"a": ["1"], "b": ["2"]}},
    )
    assert taken(routes, "/much/longer", host="a.localhost") == "plain"
    assert taken(routes, "/", headers={"a": "1", "b": "2"}) == "two"


def test_no_route_takes_what_none_matches() -> None:
    assert taken(router(only={"paths": ["/api"]}), "/") is None
    assert taken(router(only={"methods": ["POST"]}), "/") is None


# Kong's own table for `path_handling: v0`: service path, route path, strip, request, upstream.
PATHS = [
    ("/", "/", True, "/", "/"),
    ("/", "/", True, "/route/", "/route/"),
    ("/", "/", False, "/route", "/route"),
    ("/", "/route", True, "/route", "/"),
    ("/", "/route", True, "/route/", "/"),
    ("/", "/route", True, "/routereq", "/req"),
    ("/", "/route", False, "/route/", "/route/"),
    ("/", "/route/", True, "/route/", "/"),
    ("/", "/route/", True, "/route/req", "/req"),
    ("/srv", "/", True, "/", "/srv"),
    ("/srv", "/", True, "/req", "/srv/req"),
    ("/srv", "/", False, "/", "/srv"),
    ("/srv", "/", False, "/req", "/srv/req"),
    ("/srv", "/route", True, "/route", "/srv"),
    ("/srv", "/route", True, "/route/", "/srv/"),
    ("/srv", "/route", True, "/routereq", "/srv/req"),
    ("/srv", "/route", True, "/route/req", "/srv/req"),
    ("/srv", "/route", False, "/route/req", "/srv/route/req"),
    ("/srv/", "/", True, "/", "/srv/"),
    ("/srv/", "/", True, "/req", "/srv/req"),
    ("/srv/", "/route", True, "/route", "/srv"),
    ("/srv/", "/route", True, "/route/", "/srv/"),
    ("/srv/", "/route", True, "/routereq", "/srv/req"),
    ("/srv/", "/route", False, "/route", "/srv/route"),
    ("/srv", r"~/v\d/route", True, "/v1/route/req", "/srv/req"),
    ("/srv", "/route", True, "/route/a%2Fb%20c", "/srv/a%2Fb%20c"),
    ("/srv", "/route", True, "/route/%C3%A9", "/srv/%C3%A9"),
    ("/srv", "/route", True, "/route/..", "/srv"),
]


@each_row(PATHS)
def test_paths_are_joined_as_kong_joins_them(
    service: str, path: str, strip: bool, request_: str, expected: str
) -> None:
    routes = router(only={"url": f"http://u{service}", "paths": [path, "/"], "strip_path": strip})
    match = routes.match("GET", "localhost", normalized(request_), CIMultiDictProxy(CIMultiDict()))
    assert match is not None
    assert match.upstream_path == expected


@each_row(
    [
        ("/a/./b", "/a/b"),
        ("/a/b/..", "/a/"),
        ("/../../a", "/a"),
        ("/a//b///c", "/a/b/c"),
        ("/%7Euser", "/~user"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%0d%0aX:1", "/a%0D%0AX:1"),
        ("/%2e%2e/a", "/a"),
        ("/100%", "/100%"),
    ]
)
def test_paths_are_normalized(path: str, expected: str) -> None:
    assert normalized(path) == expected


def test_regex_groups_are_kept() -> None:
    routes = router(only={"paths": [r"~/users/(?<id>\d+)/(\w+)"]})
    match = routes.match("GET", "h", "/users/7/posts", CIMultiDictProxy(CIMultiDict()))
    assert match is not None
    assert match.captures == {"id": "7", 1: "7", 2: "posts"}


@each_row(
    [
        (r"~/v(?<major>\d+)$", "/v12", True),
        ("~/[[:alpha:]]+$", "/abc", True),
        ("~/[[:alpha:]]+$", "/a1", False),
        ("~/[^[:space:][:digit:]]+$", "/a-b", True),
        (r"~/a\z", "/a", True),
        (r"~/a\z", "/ab", False),
        (r"~/\p{L}+$", "/été", True),
        (r"~/\p{L}+$", "/e_1", False),
        ("~/a(?i)b$", "/aB", True),
        ("~/a(?i)b$", "/AB", False),
        ("~/(?:a(?i)b|c)d$", "/Cd", True),
        ("~/(?:a(?i)b|c)d$", "/CD", False),
        ("~/a++b", "/aab", True),
        (r"~/[]\]a-]+$", "/]a-", True),
    ]
)
def test_regexes_mean_what_they_mean_to_kong(pattern: str, path: str, matches: bool) -> None:
    routes = router(regex={"paths": [pattern]}, other={"paths": ["/"]})
    assert taken(routes, path) == ("regex" if matches else "other")


@pytest.mark.parametrize("pattern", [r"~/\p{Lu}", "~/[a--b]", "~/[[a]b]", "~/[a&&b]", "~/[[:nope:]]", "~/(a"])
def test_a_regex_without_a_counterpart_is_refused(pattern: str) -> None:
    with pytest.raises(Refused, match="not a regular expression"):
        router(regex={"paths": [pattern]})
