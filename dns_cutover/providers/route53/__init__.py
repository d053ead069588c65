"""Amazon Route 53.

`message` says what is asked and answered, as plain values, `spelling` how names and data are written there, `batch`
what a change is, `size` what fits one, `pacing` how often may be asked, `reading` which requests read which RRsets,
`refusal` what an error means to people, `provider` decides. `transport` is the thin edge to boto3, `config` puts a
provider together.
"""
