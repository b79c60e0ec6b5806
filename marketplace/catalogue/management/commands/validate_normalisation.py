from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from marketplace.catalogue.data import tables
from marketplace.catalogue.data.tables import HoldOutFigure
from marketplace.catalogue.normalisation import files
from marketplace.catalogue.normalisation.validation import sensitivity, validate


class Command(BaseCommand):
    help = "Hide published results, estimate them from the rest, and say how far off the rates are"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--write", action="store_true", help="write the figures to data/validation.csv")
        parser.add_argument(
            "--sensitivity", action="store_true", help="instead, halve and double each scale set by hand"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        results = [*tables.load_training(), *tables.load_inference()]
        facts = (tables.load_accelerators(), tables.load_architectures(), results)
        if options["sensitivity"]:
            for change, errors in sensitivity(*facts):
                row = "  ".join(f"{workload} {error}" for workload, error in errors.items())
                self.stdout.write(f"{change:28} {row}")
            return
        figures = validate(*facts)
        self._print(figures)
        if options["write"]:
            files.write_validation(figures)
            self.stdout.write(f"written to {files.VALIDATION.name}")

    def _print(self, figures: Iterable[HoldOutFigure]) -> None:
        self.stdout.write(
            f"{'class':18} {'method':10} {'hidden':15} results  median    mean  above lower bound"
        )
        for one in figures:
            above = f"{one.above_lower:.1%}" if one.above_lower is not None else "–"
            self.stdout.write(
                f"{one.workload:18} {one.method:10} {one.held_out:15} {one.results:7} "
                f"{one.median_error:7.1%} {one.mean_error:7.1%} {above:>8}"
            )
