"""Tests: `unit/` needs nothing, `servers/` needs the daemons of `servers/packages.txt`."""
