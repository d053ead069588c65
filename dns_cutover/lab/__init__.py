"""DNS servers, resolvers and services on loopback, unprivileged, and a scaled clock: the demo and the fast tests."""
