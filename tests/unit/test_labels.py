"""What is written into labels is what is read from them."""

from __future__ import annotations

from dataclasses import replace

from devenv.stack import labels
from devenv.stack.labels import PortLabel
from devenv.stack.model import Identity
from tests.table import each_row

from .stacks import stack

SHOP = """
    name: shop
    services:
      web: {image: x, port: 3000, publish: 4000, route: [/, /x], health: /up}
      plain: {image: y}
"""


def tags(name: str) -> labels.Labels:
    app = stack(SHOP)
    unit = app.unit(name)
    return labels.read(labels.identity(app, unit) | labels.description(app, unit, "print:1"))


def test_a_unit_comes_back_as_it_was_written() -> None:
    web = tags("web")
    assert (web.unit, web.stack, web.role, web.fingerprint) == ("web", "shop-c0ffee", "service", "print:1")
    assert web.ports == (PortLabel("http", 3000, 4000, 4000),)
    assert web.links == (("", "http://localhost:4000"),)
    assert web.probe == "http:3000/up"
    assert not web.gateway


def test_the_gateway_knows_every_route_and_a_plain_unit_has_nothing_to_tell() -> None:
    assert tags("kong").serves == {"web": ("/", "/x")}
    assert tags("kong").gateway
    assert tags("plain") == labels.Labels(
        unit="plain", stack="shop-c0ffee", checkout="c0ffee123456", role="service", fingerprint="print:1"
    )


def test_what_is_not_ours_reads_as_nothing() -> None:
    assert labels.read({"com.docker.compose.project": "x"}) == labels.Labels()


@each_row(
    {
        "no JSON": ("[[", (), (), {}),
        "a number": ("1", (), (), {}),
        "a mapping": ('{"a": ["/x"], "b": 1}', (), (), {"a": ("/x",)}),
        "what is shorter": ('[["http"], 5, ["b"]]', (), (), {}),
        "what is of other types": ('[["http", "80", 0, 0], [1, 2]]', (), (("http", "80"),), {}),
        "what a later version adds": (
            '[["http", 80, 0, null, "udp"]]', (PortLabel("http", 80),), (), {}
        ),
        "a link with more": ('[["", "http://x", 1]]', (), (("", "http://x"),), {}),
    }
)  # fmt: skip
def test_a_label_of_somebody_else_or_a_later_version_says_what_it_can(
    text: str,
    ports: tuple[PortLabel, ...],
    links: tuple[tuple[str, str], ...],
    serves: dict[str, tuple[str, ...]],
) -> None:
    """One container with such a label ended every command with a traceback."""
    tags = labels.read({f"devenv.dev/{key}": text for key in ("ports", "links", "gateway")})
    assert (tags.ports, tags.links, tags.serves) == (ports, links, serves)


def test_every_label_of_a_unit_is_covered_by_its_fingerprint() -> None:
    """Whatever `status` shows of a unit changes only with the unit; routes are told by the gateway."""
    from .stacks import fingerprints

    variants = [
        SHOP,
        SHOP.replace("publish: 4000", "publish: 4001"),
        SHOP.replace("/up", "/live"),
        SHOP.replace("[/, /x]", "/only"),
        SHOP.replace("name: shop", "name: shop\n    namespace: other"),
    ]
    shown: dict[str, set[str]] = {}
    for text in variants:
        app, wanted = stack(text), fingerprints(stack(text))
        for unit in app.units:
            described = labels.description(app, unit, "")
            shown.setdefault(f"{unit.name} {wanted[unit.name]}", set()).add(repr(described))
    assert all(len(descriptions) == 1 for descriptions in shown.values())


def test_a_promoted_stack_is_called_the_same_from_whichever_checkout_it_comes() -> None:
    promoted = replace(stack(SHOP), identity=Identity("shop-staging"))
    owned = labels.read(labels.identity(promoted, promoted.unit("web")))
    assert (owned.stack, owned.checkout) == ("shop-staging", "")
    assert labels.owner(promoted) == {"devenv.dev/stack": "shop-staging"}
