from jacinth.abi.constants import *
from jacinth.abi.durations import ZX_HOUR, ZX_MIN, ZX_MSEC, ZX_NSEC, ZX_SEC, ZX_USEC
from jacinth.abi.rows import SCALARS, Kind, Param, SyscallRow, Vdso
from jacinth.abi.status import Status, ZxError
from jacinth.abi.structs import *
from jacinth.abi.structs import STRUCTS, Struct
from jacinth.abi.table import BY_NAME, SYSCALLS
