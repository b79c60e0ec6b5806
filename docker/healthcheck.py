"""Exit 0 when the web server of this container answers."""

import sys
from urllib.request import urlopen

try:
    with urlopen("http://127.0.0.1:8000/healthz", timeout=2) as answer:
        sys.exit(0 if answer.status == 200 else 1)
except OSError as error:
    sys.exit(f"not healthy: {error}")
