"""Dynamic updates (RFC 2136) with TSIG (RFC 8945), over TCP.

`update` says what a message is, `refusal` what a reply means to people, `provider` decides: all over plain values.
`wire` and `transport` are the thin edge to dnspython and the network, `config` puts a provider together.
"""
