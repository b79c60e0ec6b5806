"""Notes cell after cell and says so, to be killed in the middle."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from marketplace.agent.buffer import Buffer
from marketplace.agent.events import ALLOCATED, Metered
from marketplace.agent.usage import Span

if __name__ == "__main__":
    buffer = Buffer.open(Path(sys.argv[1]))
    for number in count(int(sys.argv[2])):
        span = Span(number * 3600, (number + 1) * 3600)
        buffer.note(Metered(3, 7, ALLOCATED, span, number), now=datetime.now(UTC))
        print(number, flush=True)
