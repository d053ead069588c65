"""Who is told what a run does: interface.py, one file per kind, and the outbox that delivers."""
