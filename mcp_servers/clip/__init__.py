"""The CLIP server: pictures and words in one space, compared, searched and fine-tuned (5)."""
