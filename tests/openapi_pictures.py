"""What schemathesis sends as an image: a real one, parts of it, and anything. Loaded by it (SCHEMATHESIS_HOOKS)."""

from __future__ import annotations

import schemathesis
from hypothesis import strategies as st

from edge_mdda.server.body import IMAGE_TYPES
from tests.served import PNG

PICTURES = st.one_of(st.just(PNG), st.integers(0, len(PNG)).map(lambda end: PNG[:end]), st.binary(max_size=64))
for kind in IMAGE_TYPES:
    schemathesis.openapi.media_type(kind, PICTURES)
schemathesis.openapi.format("binary", PICTURES)
