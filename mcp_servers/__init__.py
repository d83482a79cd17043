"""Engines as MCP servers: one package a server, each usable by any MCP client on its own."""
