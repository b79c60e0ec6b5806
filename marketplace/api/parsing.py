"""JSON bodies, read strictly: what cannot be stored or answered is refused before anybody looks at it."""

from __future__ import annotations

from typing import Any

import msgspec
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from marketplace.api.nesting import DEEPEST, is_deeper


class StrictJSONParser(JSONParser):
    """Refuses lone surrogates, figures beyond a float, and endless nesting."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:  # noqa: ARG002
        try:
            body = msgspec.json.decode(stream.read())
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ParseError(_("This is not JSON: %(error)s.") % {"error": error}) from error
        if is_deeper(body, DEEPEST):
            raise ParseError(_("The body is nested more than %(most)s levels deep.") % {"most": DEEPEST})
        return body
