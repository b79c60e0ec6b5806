"""The names that a request may use, and what they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from marketplace.catalogue.models import AcceleratorModel, Region, SoftwareStack


@dataclass(frozen=True, slots=True)
class Names:
    """Slugs and their ids. A model whose memory nobody has stated is not traded."""

    models: Mapping[str, int]
    stacks: Mapping[str, int]
    regions: Mapping[str, int]
    jurisdictions: frozenset[str]

    @classmethod
    def load(cls) -> Self:
        models = AcceleratorModel.objects.filter(memory_gb__isnull=False)
        regions = list(Region.objects.values_list("slug", "pk", "jurisdiction"))
        return cls(
            models=dict(models.values_list("slug", "pk")),
            stacks=dict(SoftwareStack.objects.values_list("slug", "pk")),
            regions={slug: pk for slug, pk, _ in regions},
            jurisdictions=frozenset(jurisdiction for _, _, jurisdiction in regions),
        )

    @staticmethod
    def ids(known: Mapping[str, int], slugs: Iterable[str]) -> list[int]:
        return [known[slug] for slug in dict.fromkeys(slugs)]
