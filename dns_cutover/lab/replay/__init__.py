"""The incident that started the project, replayed on loopback: one fault, and what each way of moving makes of it."""
