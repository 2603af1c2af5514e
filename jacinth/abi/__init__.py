"""The interface as data: statuses, rights, signals, constants, struct layouts, and the table of all system calls.

Constants and structs are here under their names in the headers: `from jacinth.abi import ZX_RIGHT_READ, zx_info_vmar_t`.
"""

from jacinth.abi.constants import *  # noqa: F403
from jacinth.abi.durations import ZX_HOUR as ZX_HOUR
from jacinth.abi.durations import ZX_MIN as ZX_MIN
from jacinth.abi.durations import ZX_MSEC as ZX_MSEC
from jacinth.abi.durations import ZX_NSEC as ZX_NSEC
from jacinth.abi.durations import ZX_SEC as ZX_SEC
from jacinth.abi.durations import ZX_USEC as ZX_USEC
from jacinth.abi.processargs import *  # noqa: F403
from jacinth.abi.rows import SCALARS as SCALARS
from jacinth.abi.rows import Kind as Kind
from jacinth.abi.rows import Param as Param
from jacinth.abi.rows import SyscallRow as SyscallRow
from jacinth.abi.rows import Vdso as Vdso
from jacinth.abi.status import Status as Status
from jacinth.abi.status import ZxError as ZxError
from jacinth.abi.structs import *  # noqa: F403
from jacinth.abi.structs import STRUCTS as STRUCTS
from jacinth.abi.structs import Struct as Struct
from jacinth.abi.table import BY_NAME as BY_NAME
from jacinth.abi.table import SYSCALLS as SYSCALLS
