"""What the OpenAPI document says beyond what drf-spectacular finds out by itself."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "A problem document, RFC 9457.",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "examples": ["/problems/invalid_input"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened, to what, and what to do next."},
        "code": {"type": "string", "description": "Stable; compare this one."},
        "request_id": {"type": ["string", "null"], "description": "Quote it when you ask for help."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "pointer", "message"],
                "properties": {
                    "field": {"type": "string"},
                    "pointer": {"type": "string", "description": "JSON pointer into the request's body."},
                    "message": {"type": "string"},
                },
            },
        },
    },
    "additionalProperties": True,
}
ON_READING = {"401": "Not authenticated", "403": "Not allowed", "404": "Not found"}
ON_WRITING = {
    "400": "Malformed",
    "409": "Refused, because of the state of the market or of the object",
    "422": "Some of the input is not valid",
    "429": "Too many writes in this minute; Retry-After says when to go on",
}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "marketplace.agents.authentication.TokenAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:  # noqa: ARG002
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "chk_…",
            "description": "A token of an organisation, from its page API tokens; or of an agent that signs.",
        }


class KeyOfOurs(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """Every primary key that the API takes or gives is an integer, whatever serializer names it."""

    target_class = "rest_framework.relations.PrimaryKeyRelatedField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:  # noqa: ARG002
        return {"type": "integer"}


class ProblemSchema(AutoSchema):
    """Adds the problem answers to every operation."""

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        operation = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        answers = ON_READING if self.method == "GET" else ON_READING | ON_WRITING
        content = {"application/problem+json": {"schema": self._problem_component().ref}}
        for status, description in answers.items():
            operation["responses"].setdefault(status, {"description": description, "content": content})
        return operation

    def _problem_component(self) -> ResolvedComponent:
        component = ResolvedComponent(  # type: ignore[no-untyped-call]
            name="Problem", type=ResolvedComponent.SCHEMA, object="Problem", schema=PROBLEM
        )
        self.registry.register_on_missing(component)
        return component
