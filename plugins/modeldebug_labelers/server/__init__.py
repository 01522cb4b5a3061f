"""The labelling page: a small web server for the annotators of one run."""
