from jacinth.abi.constants import *
from jacinth.abi.rows import SCALARS, Kind, Param, SyscallRow, Vdso
from jacinth.abi.status import Status, ZxError
from jacinth.abi.structs import *
from jacinth.abi.structs import STRUCTS, Struct
from jacinth.abi.table import BY_NAME, SYSCALLS
