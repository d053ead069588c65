"""Validation rules, one module per family; each gives findings at the plan's lines."""
