"""What `import hyperopt` finds first in processes started by one in which it yields hstore: it does so there too."""

import sys
from importlib import import_module

from hstore.engine.hyperopt.import_hook import NAME, install

del sys.modules[NAME]  # this one
install()
import_module(NAME)  # takes its place
