"""Header fields as they came: what requests and answers have in common."""


class WithFields:
    """Has `headers`, name and value of each in the order in which they came."""

    headers: list[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """The only value of a header, None when it is absent; AssertionError when it came more than once."""
        values = self.all(name)
        assert len(values) < 2, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None
