"""Asking DNS: transports, authoritative discovery, the resolver catalogue, evidence."""
