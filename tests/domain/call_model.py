"""Calls as the rules say, without any care for cost or bounds: the oracle of the call tracker.

Groups of ids are kept in a plain list in the order in which they began; a tie joins two groups and keeps the
earlier one's key. Nothing is ever forgotten. Works on the raw text, with the ties written out a second time.
"""

from __future__ import annotations

PAIRS_OF_12 = {
    "DialBegin": ("", "Dest"),
    "DialState": ("", "Dest"),
    "DialEnd": ("", "Dest"),
    "AgentCalled": ("", "Dest"),
    "AgentConnect": ("", "Dest"),
    "AgentComplete": ("", "Dest"),
    "BlindTransfer": ("Transferer", "Transferee"),
    "AttendedTransfer": ("OrigTransferer", "SecondTransferer", "Transferee", "TransferTarget"),
    "LocalBridge": ("LocalOne", "LocalTwo"),
}
PARKED = ("ParkedCall", "ParkedCallGiveUp", "ParkedCallTimeOut")
TOLD_WITHOUT_LINKEDID = ("Newchannel", "Newstate", "Rename", "CoreShowChannel", "Status")


class CallModel:
    def __init__(self, pbx: str) -> None:
        self.pbx = pbx
        self.groups: list[tuple[str, set[str]]] = []
        self.names: dict[str, str] = {}

    def _group(self, ids: set[str]) -> int:
        """The place of the group that any of the ids is in."""
        return next((place for place, (_, group) in enumerate(self.groups) if group & ids), -1)

    def _tie(self, key: str, ids: set[str]) -> str:
        """All groups that hold one of the ids become the first of them; without one, a new group."""
        touched = [place for place, (_, group) in enumerate(self.groups) if group & ids]
        if not touched:
            self.groups.append((key, set(ids)))
            return key
        first = touched[0]
        for place in touched[:0:-1]:
            self.groups[first][1].update(self.groups.pop(place)[1])
        self.groups[first][1].update(ids)
        return self.groups[first][0]

    def _channel(self, uniqueid: str, linkedid: str) -> set[str]:
        ids = {f"u{uniqueid}"} | ({f"l{linkedid}"} if linkedid else {f"l{uniqueid}"})
        known = self._group({f"u{uniqueid}"})
        if known >= 0 and not linkedid:
            ids = {f"u{uniqueid}"}
        self._tie(linkedid or uniqueid, ids)
        return ids

    def call_of(self, headers: dict[str, str]) -> str:
        event = headers["Event"]
        uniqueid, linkedid = headers.get("Uniqueid", ""), headers.get("Linkedid", "")
        pairs = [
            (headers[f"{prefix}Uniqueid"], headers.get(f"{prefix}Linkedid", ""))
            for prefix in PAIRS_OF_12.get(event, ())
            if headers.get(f"{prefix}Uniqueid")
        ]
        if event == "Dial":
            pairs = [(headers[name], "") for name in ("UniqueID", "DestUniqueID") if headers.get(name)]
        if event in ("Bridge", "LocalBridge") and "Uniqueid1" in headers:
            pairs = [(headers["Uniqueid1"], ""), (headers["Uniqueid2"], "")]
        if event == "Transfer":
            pairs = [(headers[name], "") for name in ("Uniqueid", "TargetUniqueid") if headers.get(name)]
        if event in PARKED and headers.get("ParkeeUniqueid"):
            uniqueid, linkedid = headers["ParkeeUniqueid"], headers["ParkeeLinkedid"]
        if event == "BridgeEnter":
            ids = self._channel(uniqueid, linkedid)
            if headers.get("BridgeTechnology") != "holding_bridge":
                ids = ids | {f"b{headers['BridgeUniqueid']}"}
            return self._tie("", ids)
        named = {"Masquerade": ("Clone", "Original"), "AgentCalled": ("DestinationChannel",)}.get(event, ())
        if event == "BridgeAction":
            named = ("Channel1", "Channel2")
        pairs += [(self.names[headers[name]], "") for name in named if headers.get(name) in self.names]
        if event == "AgentCalled" and not headers.get("DestUniqueid") and uniqueid:
            pairs = [(uniqueid, linkedid), *[pair for pair in pairs if pair[0] != uniqueid]]
        if pairs:
            tied: set[str] = set()
            for pair in pairs:
                tied |= self._channel(*pair)
            return self._tie("", tied)
        if uniqueid and (linkedid or event in TOLD_WITHOUT_LINKEDID):
            key = self._tie("", self._channel(uniqueid, linkedid))
            if event in ("Newchannel", "Newstate") and uniqueid not in self.names.values():
                self.names[headers["Channel"]] = uniqueid
            if event == "Rename":
                self.names = {name: one for name, one in self.names.items() if one != uniqueid}
                self.names[headers["Newname"]] = uniqueid
            return key
        for one in (uniqueid, headers.get("UniqueID", "")):
            if one:
                place = self._group({f"u{one}"})
                place = place if place >= 0 else self._group({f"l{one}"})
                return self.groups[place][0] if place >= 0 else one
        if "BridgeUniqueid" in headers:
            place = self._group({f"b{headers['BridgeUniqueid']}"})
            return self.groups[place][0] if place >= 0 else self.pbx
        place = self._group({f"u{self.names.get(headers.get('Channel', ''), '?')}"})
        return self.groups[place][0] if place >= 0 else self.pbx
