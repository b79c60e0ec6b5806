"""Jobs are seen by everybody of the organisation for which they were started."""

from __future__ import annotations

from marketplace.jobs import services
from marketplace.jobs.models import Job
from tests.cast import Cast
from tests.conftest import NOW
from tests.permissions.objects import Given
from tests.permissions.table import Row, page


def a_job(cast: Cast) -> Given:
    job = services.start(
        viewer=cast.viewer_of(cast.owner_trader),
        organisation=cast.owner,
        kind=Job.Kind.OFFER_IMPORT,
        subject=1,
        steps=1,
        task="supply.import_offers",
        now=NOW,
    )
    return {"pk": job.pk}


ROWS = [
    Row("jobs:jobs", page(stranger=200)),
    Row("jobs:job", page(counterparty=404), given=a_job),
]
