"""The chat agent: everything that needs no specialist."""

from agents.registry import Agent

AGENT = Agent(
    name="chat",
    titles={"ko": "일반 대화", "en": "general conversation"},
    purpose="small talk, general knowledge, concepts, writing, translation, code",
    prompt="chat",
)
