"""Attention, translation and word vectors from their parts, for those who learn (chapters 2, 3)."""
