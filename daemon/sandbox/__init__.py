"""The far sides for development, demo and tests: a La Redoute and a John Lewis that behave as their documents say."""

from daemon.sandbox.server import Sandbox, serve
from daemon.sandbox.settings import EdgeFolders, JohnLewisSettings, LaRedouteSettings, Login, SandboxSettings

__all__ = ["EdgeFolders", "JohnLewisSettings", "LaRedouteSettings", "Login", "Sandbox", "SandboxSettings", "serve"]
