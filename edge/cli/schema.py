"""`leukoscope schema`: the JSON Schema of all that is said over MQTT, or of one message."""

from __future__ import annotations

import msgspec

from edge.errors import ConfigError
from edge.messages import json_schema, json_schemas


def print_schema(name: str | None = None) -> int:
    """Print the schema of every message, or of the one of this name, as one JSON object.

    Raises ConfigError for a name that no message has.
    """
    if name is None:
        schema = json_schema()
    else:
        known = json_schemas()
        if name not in known:
            raise ConfigError(f"{name} is no message; there is: {', '.join(known)}")
        schema = known[name]
    print(msgspec.json.format(msgspec.json.encode(schema), indent=2).decode())
    return 0
