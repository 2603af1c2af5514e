"""For those who test Zircon programs: leaks, programs, sweeps of faults, and a pytest plugin that offers them as fixtures.

The plugin (`jacinth.testing.plugin`) is loaded by pytest where the package is installed. See docs/testing.md.
"""

from jacinth.testing.leaks import Census, LeakError
from jacinth.testing.programs import Finished, Program
from jacinth.testing.sweep import sweep

__all__ = ["Census", "Finished", "LeakError", "Program", "sweep"]
