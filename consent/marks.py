"""Texts that are translated where they are shown."""


def mark(sentence: str) -> str:
    """A sentence for a reader: the page that shows it asks for its translation; this finds it for the catalogue."""
    return sentence
