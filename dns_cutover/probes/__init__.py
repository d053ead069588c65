"""Is the service healthy: `interface` and one module per kind of probe."""
