"""Trackers: runs and inspections in TensorBoard and MLflow. Each is one file with the hook `modeldebug_event`."""
