"""`python -m ai_orchestrator.cli`: the command line where no script is installed."""

from __future__ import annotations

import sys

from ai_orchestrator.cli.main import main

sys.exit(main())
