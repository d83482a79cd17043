"""How agents work together: one LangGraph state machine a module, given models and tools."""
