"""Before anything runs: tests on real servers get a network of their own."""

import pytest

from tests.servers.harness import network


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Enter a private network when tests on servers are among those asked for.

    This is the one moment at which it can be done: the kernel wants a process without threads, and workers
    of xdist are started after it, so that they are inside as well.
    """
    if network.wanted_by(config.args, config.invocation_params.dir):
        network.enter()
