/* What the kernel's side (_native.c), the stub (stub.S) and Python (layout.py, by way of _native) agree on.

   A stub process, below the lowest address that a guest may map (2 MiB):

     0x010000  STUB     the stub's code               read, execute
     0x020000  CONTROL  what the kernel tells it      read; the kernel alone writes
     0x040000  SLOTS    one for each CPU, 64 KiB      read, write: hostile input for the kernel
*/

#define STUB 0x10000
#define CONTROL 0x20000
#define CONTROL_SIZE 0x4000
#define SLOTS 0x40000
#define SLOT_SHIFT 16
#define SLOT_SIZE 0x10000
#define MAX_CPUS 28 /* what fits below 2 MiB */
#define GUEST_BASE 0x200000
#define GUEST_END 0x7ffffffff000

/* A slot. Offsets in bytes. */
#define TURN 0x00 /* u32, a futex: whose turn it is */
#define TURN_KERNEL 0
#define TURN_GUEST 1
#define KERNEL_SLEEPS 0x04 /* u32: the kernel waits for TURN in Linux, and wants to be woken */
#define GUEST_SLEEPS 0x08  /* u32: the same of the guest */
#define COMMAND 0x0c       /* u32: how to go on */
#define GO_RETURN 0        /* from a call: only RAX has changed */
#define GO_LOAD 1          /* with all registers from this slot */
#define GO_SERVE 2         /* as GO_LOAD, once the servant has carried out its script and said so in SERVED */
#define SPINS 0x10         /* u32: how often to look at TURN before sleeping; the kernel may end that by a 0 */
#define KIND 0x14          /* u32: why it is the kernel's turn */
#define KIND_BORN 0
#define KIND_CALL 1
#define KIND_SIGNAL 2
#define KIND_KICK 3 /* on the way back to guest code: the registers are those in this slot */
#define KIND_STEPPED_CALL 4 /* never in a slot: KIND_CALL with STEPPED */
#define SIGNAL 0x18 /* u32: which, for KIND_SIGNAL */
#define SIGNAL_CODE 0x1c /* u32: si_code */
#define SIGNAL_ARCH 0x20 /* u32: si_arch, of SIGSYS */
#define STEPPED 0x24     /* u32: the call was made with the trap flag set */
#define SERVED 0x2c /* u32, a futex: counts the scripts that were waited for */
#define TID 0x28         /* u32: written once, before any guest code runs */
#define FS_BASE 0x30
#define GS_BASE 0x38
#define REGS 0x40 /* as Linux has them in a signal frame: */
#define R8 0
#define R9 8
#define R10 16
#define R11 24
#define R12 32
#define R13 40
#define R14 48
#define R15 56
#define RDI 64
#define RSI 72
#define RBP 80
#define RBX 88
#define RDX 96
#define RAX 104
#define RCX 112
#define RSP 120
#define RIP 128
#define EFLAGS 136
#define ERR 152
#define TRAPNO 160
#define CR2 176
#define REGS_END 184
#define SERVED_THEN 0xfc /* u32: what SERVED is when the thread may go on */
#define XSAVE 0x1000 /* the standard format of xsave */
#define XSAVE_MAX 0x4000
#define STACK_BOTTOM 0x5000 /* of the signal stack, which ends with the slot */

/* A signal frame's ucontext. */
#define UC_REGS 40
#define UC_FPSTATE 224

/* The control pages. Offsets in bytes from CONTROL. */
#define CTL_SEQUENCE 0x00 /* u32, a futex: counts scripts */
#define CTL_ORDERS 0x04   /* u32: how many orders the script has */
#define CTL_CPUS 0x08     /* u32 */
#define CTL_PARENT 0x0c   /* u32: the process that must be the parent */
#define CTL_XSAVE_WORDS 0x10 /* u32: 8-byte words of the xsave area */
#define CTL_DONE 0x18     /* what to answer a script with: all went well */
#define CTL_FAILED 0x1c   /* or not */
#define CTL_SIGNALS 0x20  /* u32[8]: which have our handler; 0 ends them */
#define CTL_ACTION 0x40   /* struct sigaction, as the system call takes it */
#define CTL_FILTER 0x60   /* struct sock_fprog: of guest threads */
#define CTL_SERVANT_FILTER 0x70 /* and of the servant */
#define CTL_STACKS 0x100  /* stack_t[MAX_CPUS] */
#define CTL_DESCRIPTORS 0x400 /* struct user_desc[MAX_CPUS], 16 bytes each */
#define CTL_AFFINITY 0x600    /* u64[MAX_CPUS]: a mask of CPUs, or 0 */
#define CTL_PROGRAMS 0x800 /* instructions of the filters */
#define CTL_SCRIPT 0x1000 /* orders of 56 bytes: a system call's number and its six arguments */
#define ORDER_SIZE 56
#define ORDER_STORE 0xffff /* in place of a system call: store a u32 */
#define MAX_ORDERS 219 /* what fits behind */

/* Descriptors that the stub is born with. */
#define FD_CONTROL 3
#define FD_SLOTS 4
#define FD_REPLY 5
#define FD_MEMORY 6
#define FD_MEMORY_READ 7

#define KICK_SIGNAL 10 /* SIGUSR1 */
#define SELECTOR 0x63  /* GDT entry 12, level 3: its limit is the CPU's number */
