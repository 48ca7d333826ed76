"""An extraction of parties that shares nothing with the product: regular expressions on the raw text.

It knows the lab in which the recordings were made (extensions 200-249, queue 500, 600, conference 610,
parking 700-720, numbers of ten digits after 7 or 8) and the kinds of extension-fields.md: exact, channel,
device, `name <number>`. Free text (names, CRM values, variables, hashes, counters) is skipped by header.
"""

from __future__ import annotations

import re

LAB = r"(?:2[0-4][0-9]|500|600|610|7[012][0-9]|\+?[78][0-9]{10})"

_EXACT = re.compile(LAB)
_CHANNEL = re.compile(rf"(?:[A-Za-z]+/)?(?:SIP|PJSIP|Local)/({LAB})(?:-[0-9a-f]{{8}}|@).*")
_DEVICE = re.compile(rf"(?:SIP|PJSIP)/({LAB})")
_OF_A_STATE = re.compile(rf"(?:confbridge|park):({LAB})(?:@.*)?")
_PAUSED = re.compile(rf"Queue:.*_pause_(?:SIP|PJSIP)/({LAB})")
_NAMED = re.compile(rf".*<({LAB})>")
_THROUGH_TRUNK = re.compile(rf"(?:(?:SIP|PJSIP)/)?trunk/(?:sip:)?({LAB})(?:@.*)?")
_AT = re.compile(rf"({LAB})(?:@[\w-]+|/sip:.*)")
_IN_A_DIAL_STRING = re.compile(rf"(?:SIP|PJSIP)/(?:trunk/)?({LAB})")

_FREE_TEXT = re.compile(
    r"(?i).*name|.*chanvariable.*|(?:app|last)?data|applicationdata|variable|value|text|sentpackets|sentoctets"
    r"|techcause|priority|position|.*seconds|duration|cause|timestamp|.*contact|accountcode|userfield"
    r"|bridgenumchannels|holdtime|talktime|ringtime|penalty|callstaken|lastcall|account|dlsr|sentrtp"
)
_NOT_FREE = {
    "destinationname",
    "newname",
    "membername",
    "peername",
    "bridgename",
    "originalname",
    "objectname",
}
_PEER_VARIABLES = {
    "BRIDGEPEER",
    "DIALEDPEERNAME",
    "DIALEDPEERNUMBER",
    "BLINDTRANSFER",
    "PARKER",
    "__FROM_DID",
}
_PEER_VARIABLES |= {"FROM_DID", "PARKING_SPACE"}


def _in_value(value: str) -> set[str]:
    if _EXACT.fullmatch(value):
        return {value}
    for form in (_CHANNEL, _DEVICE, _OF_A_STATE, _PAUSED, _NAMED, _THROUGH_TRUNK, _AT):
        if match := form.fullmatch(value):
            return {match[1]}
    return set()


def parties(raw: bytes) -> set[str]:
    """The lab's extensions and numbers that take part in what the packet says."""
    lines = raw.decode("utf-8", "replace").split("\r\n")
    pairs = [(name, value.strip()) for name, colon, value in (line.partition(":") for line in lines) if colon]
    headers = dict(pairs)
    found: set[str] = set()
    for name, value in pairs:
        if name == "MemberName" or name.lower() in _NOT_FREE or not _FREE_TEXT.fullmatch(name):
            found |= _in_value(value)
    if headers.get("Variable") in _PEER_VARIABLES:
        for value in headers.get("Value", "").split(","):
            found |= _in_value(value)
    application = headers.get("Application", headers.get("LastApplication", ""))
    for name in ("AppData", "LastData", "ApplicationData"):
        first = headers.get(name, "").split(",")[0]
        if application == "Dial":
            found |= set(_IN_A_DIAL_STRING.findall(first))
        elif application in ("ConfBridge", "Queue", "ParkedCall"):
            found |= _in_value(first)
    return found
