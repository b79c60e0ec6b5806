from celery import shared_task
from django.urls import reverse

from marketplace.clock import market_now
from marketplace.jobs import services as jobs
from marketplace.jobs.models import Job
from marketplace.supply.importing.services import TASK, import_lines


@shared_task(name=TASK)
def import_offers(job_id: int) -> None:
    jobs.carry_out(job_id, _import)


def _import(job: Job) -> str:
    source = import_lines(job, now=market_now())
    return f"{reverse('supply:offers')}?batch={source.batch_id}"
