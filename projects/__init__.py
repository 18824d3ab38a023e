"""Projects built on MMDetection; see ``projects.lmsfa``."""
