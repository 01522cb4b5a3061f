"""One abstract class for each kind of component.

The core owns the public method, which validates; a component implements the inner one, whose name starts with an
underscore. A component's class is made with its settings and the `DataSpec` of the run: `factory(config, spec)`.
"""
