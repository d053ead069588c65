"""Tests against real DNS servers in a network of their own."""
