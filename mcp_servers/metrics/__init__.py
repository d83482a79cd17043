"""How good is it: classification, translation, summary and answer metrics (textbook chapter 3)."""
