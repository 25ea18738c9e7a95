"""Holds what is sent against the schemas of the OpenAPI document."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs


class Described:
    """A document whose schemas can be asked whether a value is as they say."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._told = told

    def check(self, schema: dict[str, Any], value: Any) -> None:
        """Fail unless `value` is as `schema`, a part of the document, says."""
        whole: Any = {**schema, "components": self._told["components"]}
        validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        errors = [f"{error.instance_path}: {error.message[:300]}" for error in validator.iter_errors(value)]
        assert not errors, errors

    def check_as(self, name: str, value: Any) -> None:
        """Fail unless `value` is as the schema of this name says."""
        self.check({"$ref": f"#/components/schemas/{name}"}, value)

    def fits(self, name: str, value: Any) -> bool:
        """Whether `value` is as the schema of this name says."""
        try:
            self.check_as(name, value)
        except AssertionError:
            return False
        return True

    def body(self, path: str, method: str, status: int, text: str) -> Any:
        """The JSON of an answer, once it has been held against what the document says of it."""
        answer = self._told["paths"][path][method]["responses"][str(status)]
        if "$ref" in answer:
            answer = self._told["components"]["responses"][answer["$ref"].rpartition("/")[2]]
        (media,) = answer["content"].values()
        body = json.loads(text)
        self.check(media["schema"], body)
        return body
