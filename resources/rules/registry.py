"""All rules: the one module that knows its siblings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resources.rules import clusters, identities, images, networks, placements, storage, zones

if TYPE_CHECKING:
    from resources.cloud import Rule

RULES: tuple[Rule, ...] = (
    clusters.one_cluster,
    clusters.controllers_can_lose_one,
    clusters.fencing_is_on,
    clusters.node_ids_name_the_controllers,
    clusters.nova_network_only_where_it_exists,
    clusters.nova_network_mode_fits_the_hypervisors,
    networks.nova_network_stands_alone,
    networks.dvs_agents_have_network_maps,
    networks.network_maps_have_an_agent,
    networks.port_groups_are_declared_once,
    networks.tunnels_end_before_vcenter,
    placements.placements_choose_nodes,
    placements.nodes_have_their_own_address,
    placements.nodes_have_their_own_compute_host,
    placements.libvirt_nodes_belong_to_one_zone,
    placements.leaving_computes_are_chosen,
    zones.zones_have_their_own_availability_zone,
    zones.vsphere_clusters_have_one_compute,
    zones.compute_hosts_differ,
    zones.compute_hosts_are_no_nodes,
    zones.zones_can_check_their_vcenter,
    zones.vsphere_computes_run_once,
    identities.compute_ids_differ,
    identities.morefs_differ,
    identities.the_gone_are_declared_nowhere,
    storage.backends_fit_their_zone,
    storage.fcd_only_where_nova_attaches_it,
    storage.backends_without_ha_have_one_node,
    storage.backends_with_ha_have_several_nodes,
    storage.shared_host_is_a_risk,
    storage.lvm_stays_on_its_node,
    storage.remote_nodes_have_a_key,
    storage.backends_have_their_own_host,
    storage.backends_and_stores_are_called_as_nothing_else,
    storage.backends_have_account_and_database,
    storage.one_image_store_is_default,
    images.image_stores_are_on_the_same_nodes,
    images.file_stores_are_shared,
    images.older_glances_have_one_store_of_a_driver,
    images.swift_stores_have_an_account,
    images.vmware_stores_can_reach_their_vcenter,
    images.images_belong_to_one_hypervisor,
)
