"""The JSON schema of a run's configuration. No torch."""

from __future__ import annotations

from typing import Any

from .registry import Registry
from .roles import ROLES, kind_of
from .sections import CoreSettings


def json_schema(registry: Registry) -> dict[str, Any]:
    """The JSON schema of a run's configuration, with the components of the loaded plugins."""
    properties: dict[str, Any] = {
        "plugins": {"type": "array", "items": {"type": "string"}},
        "preset": {"type": "string", "enum": list(registry.presets)},
        "budget": {"type": "string", "description": "scale of the preset; its first one if unset"},
    }
    definitions: dict[str, Any] = {}
    for name, info in CoreSettings.model_fields.items():
        assert info.annotation is not None
        schema = info.annotation.model_json_schema(ref_template="#/$defs/{model}")
        definitions.update(schema.pop("$defs", {}))
        properties[name] = schema
    for role in ROLES:
        options = []
        for registered in registry.components(kind_of(role)):
            schema = registered.component.config.model_json_schema(ref_template="#/$defs/{model}")
            definitions.update(schema.pop("$defs", {}))
            names = [registered.component.name, registered.name]
            schema["properties"] = {"use": {"enum": names}, **schema.get("properties", {})}
            options.append(schema | {"title": registered.name, "description": registered.component.summary})
        properties[role] = {"anyOf": options}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "modeldebug run configuration",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "$defs": definitions,
    }
