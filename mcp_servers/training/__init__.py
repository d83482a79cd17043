"""Fine-tuning: bases, data, runs and what comes out of them (chapters 8 to 10)."""
