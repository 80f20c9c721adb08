"""What every test shares: Hypothesis with fixed examples; with NFVERIFY_SEEK=1, with new ones."""

import os

from hypothesis import HealthCheck, settings

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
