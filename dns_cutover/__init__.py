"""dns-cutover: plan DNS migrations and carry them out with respect for TTLs."""

__version__ = "0.1.0"
