"""Dynamic updates (RFC 2136) with TSIG (RFC 8945), over TCP.

`provider` decides, over plain values; `transport` is the thin edge to dnspython and the network.
"""
