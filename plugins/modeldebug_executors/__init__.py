"""Who does the tasks of a run that need nothing of each other."""
