"""Retrieval (chapter 11): documents into an index, and passages out of it with their evidence."""
