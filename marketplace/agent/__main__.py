import sys

from marketplace.agent.main import main

sys.exit(main())
