"""Versions, dead times, tails; populations of caches. Pure: no I/O, no clock."""
