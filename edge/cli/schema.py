"""`leukoscope schema`: the JSON Schema of all that is said over MQTT."""

from __future__ import annotations

import msgspec

from edge.messages import json_schema


def print_schema() -> int:
    """Print the schema of every message, as one JSON object."""
    print(msgspec.json.format(msgspec.json.encode(json_schema()), indent=2).decode())
    return 0
