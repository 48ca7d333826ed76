"""The Asterisk Manager Interface as pure protocol: bytes in, frames out; no sockets, no clock."""
