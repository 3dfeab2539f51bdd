"""Plugins: discovery, loading and isolation. Light."""
