"""RRsets as frozen values: parse, canonical compare, diff, zone text. Pure: no I/O."""

from dns_cutover.records.edit import Change, Edit, Mismatch, SetEdit, ValueEdit, inverse, realise, satisfied
from dns_cutover.records.name import InvalidName, absolute_name, relative_name
from dns_cutover.records.rdata import InvalidRdata, canonical_rdata, canonical_type, quote_text, text_strings
from dns_cutover.records.rrset import RRset, RRsetKey

__all__ = [
    "Change",
    "Edit",
    "InvalidName",
    "InvalidRdata",
    "Mismatch",
    "RRset",
    "RRsetKey",
    "SetEdit",
    "ValueEdit",
    "absolute_name",
    "canonical_rdata",
    "canonical_type",
    "inverse",
    "quote_text",
    "realise",
    "relative_name",
    "satisfied",
    "text_strings",
]
