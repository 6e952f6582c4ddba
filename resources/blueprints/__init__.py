"""Blueprints: what several units together make, such as a Corosync ring or a nova-compute. Used by kinds."""
