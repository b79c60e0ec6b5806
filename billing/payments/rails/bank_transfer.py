"""Transfers that people make at their banks. Nothing is called: statements tell what happened.

A pay-in waits for the buyer, who sends the money with the reference that it was shown; a pay-out is a
line of the batch's pain.001 file, which an operator takes to the bank.
"""

from __future__ import annotations

from billing.payments.rails import Answer, Outcome, PayIn, PayOut


class BankTransferRail:
    def pay_in(self, order: PayIn) -> Answer:  # noqa: ARG002
        return Answer(Outcome.REQUIRES_ACTION)

    def find_pay_in(self, order: PayIn) -> Answer | None:  # noqa: ARG002
        return Answer(Outcome.REQUIRES_ACTION)

    def cancel_pay_in(self, order: PayIn) -> Answer:  # noqa: ARG002
        return Answer(Outcome.CANCELLED)

    def pay_out(self, order: PayOut) -> Answer:  # noqa: ARG002
        return Answer(Outcome.PROCESSING)

    def find_pay_out(self, order: PayOut) -> Answer | None:  # noqa: ARG002
        return Answer(Outcome.PROCESSING)
