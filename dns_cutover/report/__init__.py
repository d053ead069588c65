"""How results look: terminal, plain lines, JSON, Markdown. The same data feeds all of them."""
