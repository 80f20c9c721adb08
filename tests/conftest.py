"""What every test shares: Hypothesis with fixed examples; with NFVERIFY_SEEK=1, with new ones."""

import os
import signal

from hypothesis import HealthCheck, settings

os.environ["NFVERIFY_WERROR"] = "1"  # what gcc warns of in generated code is an error

settings.register_profile(
    "fixed",
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],  # a busy machine is no fault of the test
)
settings.register_profile("seek", parent=settings.get_profile("fixed"), derandomize=False)
settings.load_profile("seek" if os.environ.get("NFVERIFY_SEEK") else "fixed")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started with `&` in a script: commands under test would inherit it, and never hear Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
