"""Models under test that a run can train by itself."""
