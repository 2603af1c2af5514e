"""What the arguments of calls are: of one parameter, and of all of them where they have to go together.

A rule takes the generator and the thread that is to make the call. Most of what it makes means something: a range within the
object, a handle to an object in the right state, a struct that is well formed.
"""

from __future__ import annotations

from typing import Final

from jacinth.fuzz.arguments import ipc, memory, system, tasks
from jacinth.fuzz.arguments.parameters import Need, Rule

# Calls whose arguments have to go together.
ARGUMENTS: Final[dict[str, Rule]] = memory.ARGUMENTS | ipc.ARGUMENTS | tasks.ARGUMENTS | system.ARGUMENTS
# Calls that need an object in a certain state, and which call brings it about.
NEEDS: Final[dict[str, Need]] = memory.NEEDS | ipc.NEEDS | tasks.NEEDS | system.NEEDS
