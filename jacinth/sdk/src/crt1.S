// The first instructions of a program, and of each of its threads.

        .section .text._start, "ax", @progbits
        .globl  _start
        .type   _start, @function
_start:                                 // rdi: bootstrap channel; rsi: base of the vDSO
        xor     %ebp, %ebp
        and     $-16, %rsp
        .weak   _DYNAMIC
        .hidden _DYNAMIC
        lea     _DYNAMIC(%rip), %rdx    // null in a program that is not position-independent
        call    __jx_start
        ud2
        .size   _start, . - _start

        .section .text.__jx_thread_start, "ax", @progbits
        .globl  __jx_thread_start
        .hidden __jx_thread_start
        .type   __jx_thread_start, @function
__jx_thread_start:                      // rdi: the thread's control block
        xor     %ebp, %ebp
        and     $-16, %rsp
        call    __jx_thread_main
        ud2
        .size   __jx_thread_start, . - __jx_thread_start

        .section .note.GNU-stack, "", @progbits
