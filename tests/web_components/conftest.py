"""Components are rendered from strings, as pages write them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.template import RequestContext, Template, engines
from django.test import RequestFactory
from django.utils import timezone, translation
from django_cotton.compiler_regex import CottonCompiler

Render = Callable[..., str]


@pytest.fixture(autouse=True)
def _english_and_utc() -> Iterator[None]:
    with translation.override("en"), timezone.override(None):
        yield


@pytest.fixture
def render() -> Render:
    def rendered(source: str, path: str = "/", **context: Any) -> str:
        compiled = CottonCompiler().process("{% load cardhour %}" + source)
        template = Template(compiled, engine=engines["django"].engine)
        return template.render(RequestContext(RequestFactory().get(path), context)).strip()

    return rendered
