"""What every test shares: Hypothesis with fixed examples; with NFVERIFY_SEEK=1, with new ones."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings
from platforms import require

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


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(name, ...): what the test needs of the system")


@pytest.hookimpl(tryfirst=True)  # before fixtures build what can't be built
def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        require(*mark.args)
