"""The OpenAPI document, from the table of endpoints and the structs that they take and give."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from edge import __version__
from edge.web.api.endpoint import PREFIX, Endpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

_REFERENCE = "#/components/schemas/{name}"


class Error(msgspec.Struct, frozen=True):
    """Why something is not done, in one sentence."""

    error: str


def document(endpoints: Sequence[Endpoint]) -> bytes:
    """Return the document as JSON."""
    kinds: list[Any] = [Error]
    for endpoint in endpoints:
        kinds += [kind for kind in (endpoint.body, endpoint.gives) if _is_struct(kind)]
    unique = list({repr(kind): kind for kind in kinds}.values())
    schemas, components = msgspec.json.schema_components(unique, ref_template=_REFERENCE)
    known = dict(zip([repr(kind) for kind in unique], schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        operation = _operation(endpoint, known)
        paths.setdefault(PREFIX + endpoint.path, {})[endpoint.method.lower()] = operation
    whole = {
        "openapi": "3.1.0",
        "info": {
            "title": "Leukoscope",
            "version": __version__,
            "description": "What the page uses. Sign in by POST /api/v1/session, and send its cookie.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"session": {"type": "apiKey", "in": "cookie", "name": "leukoscope"}},
        },
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=2)


def _is_struct(kind: Any) -> bool:
    return kind is not None and not isinstance(kind, str)


def _operation(endpoint: Endpoint, known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    responses = {"200": _answer(endpoint, known)}
    usual = {404} if endpoint.parameters else set()
    usual |= {401, 403} if endpoint.needs is not None else {403}
    usual |= {400, 413, 415, 422} if endpoint.body is not None else set()
    usual |= {422} if endpoint.query is not None else set()
    for status in sorted({*usual, *endpoint.errors, 400, 408, 413, 429, 503}):
        content = {"application/json": {"schema": known[repr(Error)]}}
        responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": content}
    operation: dict[str, Any] = {
        "operationId": _operation_id(endpoint),
        "summary": endpoint.summary,
        "description": (endpoint.answer.__doc__ or "").strip(),
        "tags": list(endpoint.tags),
        "parameters": _parameters(endpoint),
        "responses": responses,
        "security": [] if endpoint.needs is None else [{"session": []}],
    }
    if endpoint.needs is not None:
        operation["x-role"] = endpoint.needs
    if endpoint.body is not None:
        content = {"application/json": {"schema": known[repr(endpoint.body)]}}
        operation["requestBody"] = {"required": True, "content": content}
    if endpoint.upload:
        file = {"type": "string", "contentMediaType": "application/octet-stream"}
        form = {"type": "object", "required": [endpoint.upload], "properties": {endpoint.upload: file}}
        content = {"multipart/form-data": {"schema": form}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _answer(endpoint: Endpoint, known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    if isinstance(endpoint.gives, str):
        return {"description": endpoint.summary, "content": {endpoint.gives: {}}}
    schema = known[repr(endpoint.gives)]
    return {"description": endpoint.summary, "content": {"application/json": {"schema": schema}}}


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": f"^{pattern}$"},
        }
        for name, pattern in endpoint.parameters
    ]
    if endpoint.query is not None:
        (schema,), _ = msgspec.json.schema_components([endpoint.query], ref_template="{name}")
        _, components = msgspec.json.schema_components([endpoint.query], ref_template="{name}")
        properties = components[schema["$ref"]]["properties"]
        for name, each in properties.items():
            found.append({"name": name, "in": "query", "required": "default" not in each, "schema": each})
    return found


def _operation_id(endpoint: Endpoint) -> str:
    words = re.sub(r"[{}]", "", endpoint.path).strip("/")
    return f"{endpoint.method.lower()}_{re.sub(r'[^A-Za-z0-9]+', '_', words)}"
