"""Regular expressions (textbook chapter 4): run, explained, checked for runaway time."""
