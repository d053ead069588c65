"""Plan and live view compiled to ordered, timed steps with pinned images; the inverse; preview; export. Pure."""
