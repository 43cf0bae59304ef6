"""Rules that a manifest can break even if its models validate: small checks by subject, all of them run.

Each check yields `(path, message, suggestion)`; a new rule is one function and one entry in `RULES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from devenv.manifest.models import Manifest
from devenv.manifest.rules import (
    commands,
    compose,
    environments,
    gateways,
    health,
    idle,
    images,
    infra,
    machine,
    names,
    paths,
    ports,
    references,
    releases,
    routes,
    shipping,
    smoke,
    uses,
    variables,
)
from devenv.manifest.rules.scope import Kinds, Scope
from devenv.manifest.source import Finding

RULES: tuple[Callable[[Scope], Iterator[Finding]], ...] = (
    names.names_are_labels,
    names.names_are_unique,
    names.volumes_are_called_apart,
    names.volumes_are_shared_on_purpose,
    names.names_fit_everywhere,
    names.aliases_are_free,
    images.images_have_one_origin,
    images.stores_have_images,
    commands.commands_are_whole,
    commands.words_fit,
    ports.ports_are_clear,
    ports.host_ports_are_claimed_once,
    ports.metrics_are_at_a_port,
    uses.uses_exist,
    uses.one_store_has_one_word,
    uses.uses_have_no_cycle,
    routes.routes_are_claimed_once,
    routes.kong_starts,
    health.health_is_one_probe,
    paths.paths_stay_inside,
    paths.host_paths_are_outside,
    paths.container_paths_are_absolute,
    paths.container_paths_are_claimed_once,
    machine.limits_are_the_kernels,
    machine.hosts_are_names,
    machine.platforms_are_of_images,
    uses.nobody_waits_for_what_is_manual,
    variables.variables_have_names,
    images.build_secrets_are_whole,
    images.contexts_have_names,
    compose.fragments_have_an_effect,
    infra.infra_is_in_the_catalogue,
    infra.infra_is_new_enough,
    infra.external_is_an_address,
    shipping.takers_take_it,
    names.other_names_exist,
    smoke.requests_lead_somewhere,
    environments.stores_have_a_place,
    environments.overrides_have_an_effect,
    gateways.routes_can_be_served,
    idle.environments_are_heeded,
    releases.environments_do_not_share_a_release,
    releases.a_release_can_have_the_name,
    releases.charts_are_locked,
    environments.secrets_have_one_maker,
    references.references_resolve,
)


def check(manifest: Manifest, kinds: Kinds) -> list[Finding]:
    """Everything wrong with the manifest as a whole."""
    scope = Scope(manifest, kinds)
    return [finding for rule in RULES for finding in rule(scope)]
