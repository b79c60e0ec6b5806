from celery import shared_task

from marketplace.audit.evidence.services import TASK, make_pack
from marketplace.clock import market_now
from marketplace.jobs import services as jobs


@shared_task(name=TASK)
def make_evidence_pack(job_id: int) -> None:
    jobs.carry_out(job_id, lambda job: make_pack(job, now=market_now()))
