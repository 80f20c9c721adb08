"""`python -m nfverify` is the `nfverify` command."""

import sys

from nfverify.cli.main import main

sys.exit(main())
