"""modeldebug finds, groups, labels and fixes the errors of image classifiers that test sets never show.

>>> import modeldebug
>>> modeldebug.Component.__name__
'Component'

Everything public is listed in `__init__.pyi`. Names are imported when they are first used, so that plugins and the
command line start without torch.
"""

from importlib.metadata import version

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = version("modeldebug")
