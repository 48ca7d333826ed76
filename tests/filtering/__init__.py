"""The filter engine against `regex` itself."""
