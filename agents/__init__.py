"""Who answers: the specialists, their registry, and the surfaces that people touch."""
