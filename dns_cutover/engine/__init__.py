"""Run state is the fold of events; decide says what is next (both pure); the driver performs it through ports."""
