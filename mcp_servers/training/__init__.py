"""Fine-tuning of language models: data, methods, the training job and what comes of it."""
