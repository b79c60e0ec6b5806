from typing import Any

from django.core.management.base import BaseCommand

from marketplace.catalogue.data import tables
from marketplace.catalogue.normalisation import files
from marketplace.catalogue.normalisation.fitting import fit


class Command(BaseCommand):
    help = "Fit the data-sheet estimate to the published results and write data/calibration.csv"

    def handle(self, *args: Any, **options: Any) -> None:
        results = [*tables.load_training(), *tables.load_inference()]
        coefficients = fit(tables.load_accelerators(), tables.load_architectures(), results)
        files.write_calibration(coefficients)
        self.stdout.write(f"{len(coefficients)} coefficients written to {files.CALIBRATION.name}")
