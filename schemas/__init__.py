"""The published contract: envelope, routing keys, codecs, schemas. Pure; imports neither other package."""
