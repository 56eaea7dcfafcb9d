"""Where a device keeps what is installed on it, unless the environment says otherwise."""

from __future__ import annotations

from pathlib import Path

#: Signed model bundles (`edge_mdda.bundle_store`). The one in use there is taken where no other is asked for, but only
#: if the environment variable names the store, as the service's unit does.
STORE, STORE_VARIABLE = Path("/var/lib/edge-mdda-models"), "EDGE_MDDA_STORE"
#: Public keys whose bundles are trusted (`edge_mdda.signature`).
KEYS, KEYS_VARIABLE = Path("/etc/edge-mdda/keys"), "EDGE_MDDA_KEYS"
