/* The kernel's side of the native engine: stub processes, and the pages shared with them. See docs/native.md.

   Everything in a slot is hostile input: numbers are copied out of it once and believed nothing; no pointer is ever taken from
   there. What the guest can make wrong by writing to its slot is its own process. */

#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <asm/ldt.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "layout.h"

extern __attribute__((visibility("hidden"))) const unsigned char stub_image[], stub_image_end[], stub_start[], stub_entry[], stub_handler[];
extern __attribute__((visibility("hidden"))) const unsigned char stub_futex_site[], stub_servant_site[];
#define IN_STUB(label) (STUB + (unsigned)((label) - stub_image))

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#define MAX_WAITED 64
#define BIRTH_NS 5000000000LL

static unsigned xsave_size; /* bytes; a multiple of 8 */

static inline unsigned load32(const volatile unsigned char *at) { return __atomic_load_n((const volatile unsigned *)at, __ATOMIC_ACQUIRE); }
static inline void store32(volatile unsigned char *at, unsigned value) { __atomic_store_n((volatile unsigned *)at, value, __ATOMIC_SEQ_CST); }

static long futex(volatile unsigned char *at, int operation, unsigned value, const struct timespec *timeout) {
	return syscall(SYS_futex, at, operation, value, timeout, NULL, 0);
}

static long long now_ns(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static struct timespec timespec_of(long long ns) {
	struct timespec result = {ns / 1000000000, ns % 1000000000};
	return result;
}

/* ---- The stub's image ------------------------------------------------------------------------------------------------ */

PyDoc_STRVAR(make_image_doc, "A descriptor of the program that stub processes run, a file of this process's memory.");

static PyObject *make_image(PyObject *self, PyObject *unused) {
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr segments[2];
	} head = {0};
	size_t size = stub_image_end - stub_image;
	memcpy(head.header.e_ident, "\177ELF\2\1\1", 7);
	head.header.e_type = ET_EXEC;
	head.header.e_machine = EM_X86_64;
	head.header.e_version = 1;
	head.header.e_entry = IN_STUB(stub_start);
	head.header.e_phoff = offsetof(typeof(head), segments);
	head.header.e_ehsize = sizeof head.header;
	head.header.e_phentsize = sizeof head.segments[0];
	head.header.e_phnum = 2;
	head.segments[0] = (Elf64_Phdr){PT_LOAD, PF_R | PF_X, 4096, STUB, STUB, size, size, 4096};
	head.segments[1] = (Elf64_Phdr){PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 16}; /* no code on stacks */
	int fd = memfd_create("jacinth-stub", MFD_CLOEXEC);
	if (fd < 0 || pwrite(fd, &head, sizeof head, 0) != sizeof head || pwrite(fd, stub_image, size, 4096) != (ssize_t)size) {
		PyErr_SetFromErrno(PyExc_OSError);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	return PyLong_FromLong(fd);
}

/* ---- What stub threads may ask of Linux ------------------------------------------------------------------------------- */

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, field)
#define LOW(field) offsetof(struct seccomp_data, field)
#define HIGH(field) offsetof(struct seccomp_data, field) + 4
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip)
#define IF(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, skip, 0)
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)

/* Guest threads: wait for, or wake, somebody with `futex`, from the stub's one instruction for that. All else is a signal. */
static unsigned guest_filter(struct sock_filter *to) {
	struct sock_filter program[] = {
		LOAD(LOW(arch)), UNLESS(AUDIT_ARCH_X86_64, 9),
		LOAD(LOW(instruction_pointer)), UNLESS(IN_STUB(stub_futex_site), 7),
		LOAD(HIGH(instruction_pointer)), UNLESS(0, 5),
		LOAD(LOW(nr)), UNLESS(SYS_futex, 3),
		LOAD(LOW(args[1])), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, FUTEX_WAKE, 1, 0),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_TRAP),
	};
	memcpy(to, program, sizeof program);
	return sizeof program / sizeof program[0];
}

/* The servant: what the kernel orders, and the answer to it. */
static unsigned servant_filter(struct sock_filter *to) {
	struct sock_filter program[] = {
		LOAD(LOW(arch)), UNLESS(AUDIT_ARCH_X86_64, 7),
		LOAD(LOW(nr)),
		IF(SYS_mmap, 6), IF(SYS_munmap, 5), IF(SYS_mprotect, 4), IF(SYS_futex, 3), IF(SYS_write, 2), IF(SYS_exit_group, 1),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		RETURN(SECCOMP_RET_ALLOW),
	};
	memcpy(to, program, sizeof program);
	return sizeof program / sizeof program[0];
}

/* ---- Stub -------------------------------------------------------------------------------------------------------------- */

typedef struct {
	PyObject_HEAD
	int cpus;
	pid_t pid; /* 0 where there is no process any more */
	int pidfd;
	int reply;
	int killed; /* it is gone, or as good as gone */
	volatile unsigned char *control;
	volatile unsigned char *slots;
	pid_t tids[MAX_CPUS];
	int kicked[MAX_CPUS]; /* a kick is under way; there is never a second one */
	unsigned sequence;
} Stub;

static void fill_control(Stub *stub, PyObject *affinity) {
	volatile unsigned char *control = stub->control;
	*(unsigned *)(control + CTL_CPUS) = stub->cpus;
	*(unsigned *)(control + CTL_PARENT) = getpid();
	*(unsigned *)(control + CTL_XSAVE_WORDS) = xsave_size / 8;
	control[CTL_DONE] = 1;
	control[CTL_FAILED] = 2;
	const unsigned signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, KICK_SIGNAL, 0};
	memcpy((void *)(control + CTL_SIGNALS), signals, sizeof signals);
	/* As the system call has it: handler, flags, restorer, mask. Nobody ever returns to the restorer. */
	const unsigned long action[] = {IN_STUB(stub_handler), SA_SIGINFO | SA_ONSTACK | SA_NODEFER | 0x04000000, 0, 0};
	memcpy((void *)(control + CTL_ACTION), action, sizeof action);
	struct sock_filter *programs = (struct sock_filter *)(control + CTL_PROGRAMS);
	unsigned count = guest_filter(programs);
	*(unsigned short *)(control + CTL_FILTER) = count;
	*(unsigned long *)(control + CTL_FILTER + 8) = CONTROL + CTL_PROGRAMS;
	*(unsigned short *)(control + CTL_SERVANT_FILTER) = servant_filter(programs + count);
	*(unsigned long *)(control + CTL_SERVANT_FILTER + 8) = CONTROL + CTL_PROGRAMS + count * sizeof *programs;
	for (int cpu = 0; cpu < stub->cpus; cpu++) {
		stack_t stack = {(void *)(long)(SLOTS + cpu * SLOT_SIZE + STACK_BOTTOM), 0, SLOT_SIZE - STACK_BOTTOM};
		memcpy((void *)(control + CTL_STACKS + cpu * sizeof stack), &stack, sizeof stack);
		struct user_desc descriptor = {.entry_number = SELECTOR >> 3, .limit = cpu, .seg_32bit = 1, .useable = 1};
		memcpy((void *)(control + CTL_DESCRIPTORS + cpu * sizeof descriptor), &descriptor, sizeof descriptor);
		unsigned long mask = PyLong_AsUnsignedLongMask(PyTuple_GET_ITEM(affinity, cpu));
		*(unsigned long *)(control + CTL_AFFINITY + 8 * cpu) = mask;
		store32(stub->slots + cpu * SLOT_SIZE + TURN, TURN_GUEST);
	}
}

static void forget_maps(Stub *stub) {
	if (stub->control)
		munmap((void *)stub->control, CONTROL_SIZE);
	if (stub->slots)
		munmap((void *)stub->slots, stub->cpus * SLOT_SIZE);
	stub->control = stub->slots = NULL;
}

/* Kill the process, and wait until Linux has: then none of its threads runs any more. */
static void end_process(Stub *stub) {
	stub->killed = 1;
	if (stub->pid) {
		syscall(SYS_pidfd_send_signal, stub->pidfd, SIGKILL, NULL, 0);
		siginfo_t info;
		while (waitid(P_PIDFD, stub->pidfd, &info, WEXITED) < 0 && errno == EINTR)
			;
		stub->pid = 0;
	}
	if (stub->pidfd >= 0)
		close(stub->pidfd);
	if (stub->reply >= 0)
		close(stub->reply);
	stub->pidfd = stub->reply = -1;
}

/* Whether the process has ended by itself. */
static int has_ended(Stub *stub) {
	if (stub->killed)
		return 1;
	struct pollfd ended = {stub->pidfd, POLLIN, 0};
	if (poll(&ended, 1, 0) > 0)
		stub->killed = 1;
	return stub->killed;
}

static int high(int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, 64); }

/* Start the process with its five descriptors. Answers an errno. */
static int spawn(Stub *stub, int image, const int descriptors[5]) {
	int sources[6], error = 0;
	for (int i = 0; i < 6; i++) /* out of the way of the numbers that they are to get */
		if ((sources[i] = high(i < 5 ? descriptors[i] : image)) < 0)
			error = errno;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	for (int i = 0; i < 5; i++)
		posix_spawn_file_actions_adddup2(&actions, sources[i], FD_CONTROL + i);
	for (int i = 0; i < FD_CONTROL; i++)
		posix_spawn_file_actions_addclose(&actions, i);
	sigset_t signals;
	sigemptyset(&signals);
	posix_spawnattr_setsigmask(&attributes, &signals);
	sigfillset(&signals);
	posix_spawnattr_setsigdefault(&attributes, &signals);
	/* A session of its own: what is typed at the terminal is not for it. */
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
	char path[40], *nothing[] = {NULL};
	snprintf(path, sizeof path, "/proc/self/fd/%d", sources[5]);
	if (!error)
		error = posix_spawn(&stub->pid, path, &actions, &attributes, nothing, nothing);
	if (error)
		stub->pid = 0;
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	for (int i = 0; i < 6; i++)
		if (sources[i] >= 0)
			close(sources[i]);
	return error;
}

/* Every guest thread waits in its slot. Answers 0, or -1 with an exception. */
static int await_birth(Stub *stub) {
	long long deadline = now_ns() + BIRTH_NS;
	for (int cpu = 0; cpu < stub->cpus; cpu++) {
		volatile unsigned char *slot = stub->slots + cpu * SLOT_SIZE;
		store32(slot + KERNEL_SLEEPS, 1);
		while (load32(slot + TURN) == TURN_GUEST) {
			struct timespec timeout = timespec_of(2000000);
			futex(slot + TURN, FUTEX_WAIT, TURN_GUEST, &timeout);
			if (load32(slot + TURN) != TURN_GUEST)
				break;
			siginfo_t info = {0};
			if (waitid(P_PIDFD, stub->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid) {
				PyErr_Format(PyExc_OSError, "a stub process ended at its birth: %s %d",
					info.si_code == CLD_EXITED ? "step" : "signal", info.si_status);
				return -1;
			}
			if (now_ns() > deadline) {
				PyErr_SetString(PyExc_OSError, "a stub process does not begin");
				return -1;
			}
		}
		store32(slot + KERNEL_SLEEPS, 0);
		stub->tids[cpu] = load32(slot + TID);
	}
	return 0;
}

static void Stub_dealloc(Stub *stub) {
	end_process(stub);
	forget_maps(stub);
	Py_TYPE(stub)->tp_free(stub);
}

PyDoc_STRVAR(Stub_doc,
	"Stub(memory, memory_read, image, affinity)\n\n"
	"A process with nothing in it but the stub, and a thread for each CPU. *memory* and *memory_read* are descriptors of the\n"
	"physical memory; *image* is from `make_image`; *affinity* has a mask of the host's CPUs, or 0, for each thread. OSError.");

static PyObject *Stub_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
	int memory, memory_read, image;
	PyObject *affinity;
	if (!PyArg_ParseTuple(args, "iiiO!", &memory, &memory_read, &image, &PyTuple_Type, &affinity))
		return NULL;
	Py_ssize_t cpus = PyTuple_GET_SIZE(affinity);
	if (cpus < 1 || cpus > MAX_CPUS)
		return PyErr_Format(PyExc_ValueError, "a stub has 1 to %d CPUs", MAX_CPUS);
	Stub *stub = (Stub *)type->tp_alloc(type, 0);
	if (!stub)
		return NULL;
	stub->cpus = cpus;
	stub->pidfd = stub->reply = -1;
	int control = memfd_create("jacinth-control", MFD_CLOEXEC), slots = memfd_create("jacinth-slots", MFD_CLOEXEC);
	int pipe_ends[2] = {-1, -1}, error = 0;
	if (control < 0 || slots < 0 || ftruncate(control, CONTROL_SIZE) || ftruncate(slots, cpus * SLOT_SIZE) ||
		pipe2(pipe_ends, O_CLOEXEC))
		error = errno;
	if (!error) {
		stub->control = mmap(NULL, CONTROL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, control, 0);
		stub->slots = mmap(NULL, cpus * SLOT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, slots, 0);
		if (stub->control == MAP_FAILED || stub->slots == MAP_FAILED) {
			error = errno;
			stub->control = stub->control == MAP_FAILED ? NULL : stub->control;
			stub->slots = stub->slots == MAP_FAILED ? NULL : stub->slots;
		}
	}
	if (!error) {
		fill_control(stub, affinity);
		error = spawn(stub, image, (int[]){control, slots, pipe_ends[1], memory, memory_read});
	}
	if (!error && (stub->pidfd = syscall(SYS_pidfd_open, stub->pid, 0)) < 0) {
		error = errno;
		kill(stub->pid, SIGKILL);
		waitpid(stub->pid, NULL, 0);
		stub->pid = 0;
	}
	for (int i = 0; i < 3; i++) {
		int fd = i == 0 ? control : i == 1 ? slots : pipe_ends[1];
		if (fd >= 0)
			close(fd);
	}
	stub->reply = pipe_ends[0];
	if (error) {
		errno = error;
		PyErr_SetFromErrno(PyExc_OSError);
	} else if (fcntl(stub->reply, F_SETFL, O_NONBLOCK) == 0 && await_birth(stub) == 0)
		return (PyObject *)stub;
	Py_DECREF(stub);
	return NULL;
}

PyDoc_STRVAR(order_doc,
	"order(script, spins)\n\nHave the process make system calls: *script* has 56 bytes for each, number and six arguments. Answers\n"
	"whether all went well; None where the process has ended.");

static PyObject *Stub_order(Stub *stub, PyObject *args) {
	Py_buffer script;
	int spins;
	if (!PyArg_ParseTuple(args, "y*i", &script, &spins))
		return NULL;
	Py_ssize_t count = script.len / ORDER_SIZE;
	if (count < 1 || count > MAX_ORDERS || script.len % ORDER_SIZE) {
		PyBuffer_Release(&script);
		return PyErr_Format(PyExc_ValueError, "a script has 1 to %d orders of %d bytes", MAX_ORDERS, ORDER_SIZE);
	}
	if (stub->killed) {
		PyBuffer_Release(&script);
		Py_RETURN_NONE;
	}
	memcpy((void *)(stub->control + CTL_SCRIPT), script.buf, script.len);
	PyBuffer_Release(&script);
	store32(stub->control + CTL_ORDERS, count);
	store32(stub->control + CTL_SEQUENCE, ++stub->sequence);
	futex(stub->control + CTL_SEQUENCE, FUTEX_WAKE, 1, NULL);
	char answer = 0;
	for (;;) {
		ssize_t got = read(stub->reply, &answer, 1);
		if (got == 1)
			return PyBool_FromLong(answer == 1);
		if (got == 0) /* the process has ended */
			break;
		if (errno == EINTR || (errno == EAGAIN && spins-- > 0))
			continue;
		if (errno != EAGAIN)
			break;
		struct pollfd wait = {stub->reply, POLLIN, 0};
		Py_BEGIN_ALLOW_THREADS
		poll(&wait, 1, -1);
		Py_END_ALLOW_THREADS
	}
	stub->killed = 1;
	Py_RETURN_NONE;
}

PyDoc_STRVAR(slot_doc, "slot(cpu)\n\nThe memory shared with the CPU's thread, as a memoryview.");

static PyObject *Stub_slot(Stub *stub, PyObject *args) {
	int cpu;
	if (!PyArg_ParseTuple(args, "i", &cpu))
		return NULL;
	if (cpu < 0 || cpu >= stub->cpus || !stub->slots)
		return PyErr_Format(PyExc_ValueError, "there is no CPU %d", cpu);
	return PyMemoryView_FromMemory((char *)stub->slots + cpu * SLOT_SIZE, SLOT_SIZE, PyBUF_WRITE);
}

PyDoc_STRVAR(go_doc, "go(cpu, command)\n\nLet the CPU's thread go on.");

static void let_go(Stub *stub, int cpu, unsigned command) {
	volatile unsigned char *slot = stub->slots + cpu * SLOT_SIZE;
	stub->kicked[cpu] = 0;
	store32(slot + COMMAND, command);
	store32(slot + TURN, TURN_GUEST);
	if (load32(slot + GUEST_SLEEPS))
		futex(slot + TURN, FUTEX_WAKE, 1, NULL);
}

static PyObject *Stub_go(Stub *stub, PyObject *const *args, Py_ssize_t count) {
	if (count != 2)
		return PyErr_Format(PyExc_TypeError, "go takes a CPU and a command");
	long cpu = PyLong_AsLong(args[0]), command = PyLong_AsLong(args[1]);
	if (cpu < 0 || cpu >= stub->cpus || !stub->slots || PyErr_Occurred())
		return PyErr_Format(PyExc_ValueError, "no such CPU");
	let_go(stub, cpu, command);
	Py_RETURN_NONE;
}

PyDoc_STRVAR(kick_doc, "kick(cpu)\n\nHave the CPU's thread come back soon, unless it has been asked to already.");

static PyObject *Stub_kick(Stub *stub, PyObject *args) {
	int cpu;
	if (!PyArg_ParseTuple(args, "i", &cpu))
		return NULL;
	if (cpu < 0 || cpu >= stub->cpus)
		return PyErr_Format(PyExc_ValueError, "there is no CPU %d", cpu);
	if (!stub->killed && !stub->kicked[cpu]) {
		stub->kicked[cpu] = 1;
		if (syscall(SYS_tgkill, stub->pid, stub->tids[cpu], KICK_SIGNAL) < 0)
			stub->killed = 1;
	}
	Py_RETURN_NONE;
}

PyDoc_STRVAR(kill_doc, "kill()\n\nEnd the process. When this returns none of its threads runs any more. Slots stay readable.");

static PyObject *Stub_kill(Stub *stub, PyObject *unused) {
	Py_BEGIN_ALLOW_THREADS
	end_process(stub);
	Py_END_ALLOW_THREADS
	Py_RETURN_NONE;
}

static PyObject *Stub_get_ended(Stub *stub, void *unused) { return PyBool_FromLong(has_ended(stub)); }

static PyObject *Stub_get_pid(Stub *stub, void *unused) { return PyLong_FromLong(stub->pid); }

static PyMethodDef Stub_methods[] = {
	{"order", (PyCFunction)Stub_order, METH_VARARGS, order_doc},
	{"slot", (PyCFunction)Stub_slot, METH_VARARGS, slot_doc},
	{"go", (PyCFunction)(void (*)(void))Stub_go, METH_FASTCALL, go_doc},
	{"kick", (PyCFunction)Stub_kick, METH_VARARGS, kick_doc},
	{"kill", (PyCFunction)Stub_kill, METH_NOARGS, kill_doc},
	{NULL, NULL, 0, NULL},
};

static PyGetSetDef Stub_properties[] = {
	{"ended", (getter)Stub_get_ended, NULL, "Whether the process is gone: it was killed, or its guest has broken it.", NULL},
	{"pid", (getter)Stub_get_pid, NULL, "Its number in Linux; 0 once it was killed.", NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

static PyTypeObject Stub_type = {
	PyVarObject_HEAD_INIT(NULL, 0).tp_name = "jacinth.machine.native._native.Stub",
	.tp_basicsize = sizeof(Stub),
	.tp_dealloc = (destructor)Stub_dealloc,
	.tp_flags = Py_TPFLAGS_DEFAULT,
	.tp_doc = Stub_doc,
	.tp_methods = Stub_methods,
	.tp_getset = Stub_properties,
	.tp_new = Stub_new,
};

/* ---- Waiting ------------------------------------------------------------------------------------------------------------ */

static int posted(volatile unsigned char *const *slots, int count) {
	for (int i = 0; i < count; i++)
		if (load32(slots[i] + TURN) == TURN_KERNEL)
			return i;
	return -1;
}

/* Sleep until one of the slots is posted, a signal comes or the time is over. */
static void sleep_on(volatile unsigned char *const *slots, int count, long long timeout_ns) {
	if (count == 1) {
		struct timespec timeout = timespec_of(timeout_ns);
		futex(slots[0] + TURN, FUTEX_WAIT, TURN_GUEST, &timeout);
		return;
	}
	struct futex_waitv waits[MAX_WAITED] = {0};
	for (int i = 0; i < count; i++) {
		waits[i].uaddr = (unsigned long)(slots[i] + TURN);
		waits[i].val = TURN_GUEST;
		waits[i].flags = FUTEX_32;
	}
	struct timespec deadline = timespec_of(now_ns() + timeout_ns);
	syscall(SYS_futex_waitv, waits, count, 0, &deadline, CLOCK_MONOTONIC);
}

PyDoc_STRVAR(wait_doc,
	"wait(cpus, spins, deadline)\n\nWait until one of *cpus*, a list of (stub, cpu), has come back: its index. -1 at *deadline*, in ns of\n"
	"the monotonic clock, or where Python has handled a signal; -2 where one of the processes has ended. It looks *spins* times\n"
	"before it sleeps.");

static PyObject *wait_for(PyObject *self, PyObject *const *args, Py_ssize_t nargs) {
	volatile unsigned char *slots[MAX_WAITED];
	if (nargs != 3 || !PyList_Check(args[0]))
		return PyErr_Format(PyExc_TypeError, "wait takes a list, spins and a deadline");
	int count = PyList_GET_SIZE(args[0]);
	long spins = PyLong_AsLong(args[1]);
	long long deadline = PyLong_AsLongLong(args[2]);
	if (PyErr_Occurred())
		return NULL;
	if (count < 1 || count > MAX_WAITED)
		return PyErr_Format(PyExc_ValueError, "1 to %d CPUs can be waited for", MAX_WAITED);
	for (int i = 0; i < count; i++) {
		PyObject *pair = PyList_GET_ITEM(args[0], i);
		if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2 || !PyObject_TypeCheck(PyTuple_GET_ITEM(pair, 0), &Stub_type))
			return PyErr_Format(PyExc_TypeError, "a CPU is a stub and a number");
		Stub *stub = (Stub *)PyTuple_GET_ITEM(pair, 0);
		long cpu = PyLong_AsLong(PyTuple_GET_ITEM(pair, 1));
		if (cpu < 0 || cpu >= stub->cpus || !stub->slots)
			return PyErr_Format(PyExc_ValueError, "no such CPU");
		slots[i] = stub->slots + cpu * SLOT_SIZE;
	}
	int found = posted(slots, count);
	long long left = found < 0 ? deadline - now_ns() : 0;
	while (found < 0 && left > 0 && spins-- > 0) {
		_mm_pause();
		found = posted(slots, count);
	}
	if (found < 0) {
		for (int i = 0; i < count; i++)
			store32(slots[i] + KERNEL_SLEEPS, 1);
		found = posted(slots, count);
		if (found < 0 && left > 0) {
			Py_BEGIN_ALLOW_THREADS
			sleep_on(slots, count, left);
			Py_END_ALLOW_THREADS
			found = posted(slots, count);
		}
		for (int i = 0; i < count; i++)
			store32(slots[i] + KERNEL_SLEEPS, 0);
		if (PyErr_CheckSignals())
			return NULL;
		if (found < 0)
			for (int i = 0; i < count; i++)
				if (has_ended((Stub *)PyTuple_GET_ITEM(PyList_GET_ITEM(args[0], i), 0)))
					return PyLong_FromLong(-2);
	}
	return PyLong_FromLong(found);
}

PyDoc_STRVAR(tsc_doc, "The host's time stamp counter.");

static PyObject *tsc(PyObject *self, PyObject *unused) { return PyLong_FromUnsignedLongLong(__rdtsc()); }

PyDoc_STRVAR(tsc_mult_doc, "ns for each count of the time stamp counter, times 2**32: as Linux says, or measured for some ms.");

static PyObject *tsc_mult(PyObject *self, PyObject *unused) {
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attr, .config = PERF_COUNT_SW_DUMMY, .exclude_kernel = 1};
	int fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	unsigned long long mult = 0;
	if (fd >= 0) {
		struct perf_event_mmap_page *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
		if (page != MAP_FAILED) {
			if (page->cap_user_time && page->time_shift <= 32)
				mult = (unsigned long long)page->time_mult << (32 - page->time_shift);
			munmap(page, 4096);
		}
		close(fd);
	}
	if (!mult) {
		long long start = now_ns(), end;
		unsigned long long first = __rdtsc();
		while ((end = now_ns()) < start + 5000000)
			;
		mult = ((unsigned __int128)(end - start) << 32) / (__rdtsc() - first);
	}
	return PyLong_FromUnsignedLongLong(mult);
}

/* ---- The module --------------------------------------------------------------------------------------------------------- */

static PyMethodDef functions[] = {
	{"make_image", make_image, METH_NOARGS, make_image_doc},
	{"wait", (PyCFunction)(void (*)(void))wait_for, METH_FASTCALL, wait_doc},
	{"tsc", tsc, METH_NOARGS, tsc_doc},
	{"tsc_mult", tsc_mult, METH_NOARGS, tsc_mult_doc},
	{NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
	PyModuleDef_HEAD_INIT, "_native", "Stub processes of the native engine.", -1, functions, NULL, NULL, NULL, NULL,
};

#include <cpuid.h>

/* What the CPU and Linux must have: xsave with an area that fits a slot, and FS and GS bases for user code. */
static int supported(void) {
	unsigned eax, ebx, ecx, edx;
	if (!__get_cpuid_count(1, 0, &eax, &ebx, &ecx, &edx) || !(ecx & 1u << 27))
		return 0;
	if (!__get_cpuid_count(0xd, 1, &eax, &ebx, &ecx, &edx) || !(eax & 1)) /* xsaveopt */
		return 0;
	if (!__get_cpuid_count(0xd, 0, &eax, &ebx, &ecx, &edx))
		return 0;
	xsave_size = (ebx + 7) & ~7u;
	return xsave_size <= XSAVE_MAX && getauxval(26 /* AT_HWCAP2 */) & 2 /* FSGSBASE */;
}

PyMODINIT_FUNC PyInit__native(void) {
	if (PyType_Ready(&Stub_type) < 0)
		return NULL;
	PyObject *module = PyModule_Create(&definition);
	if (!module)
		return NULL;
	const struct {
		const char *name;
		long value;
	} constants[] = {
		{"SUPPORTED", supported()}, {"XSAVE_SIZE", xsave_size}, {"MAX_CPUS", MAX_CPUS},
		{"ENTRY", IN_STUB(stub_entry)}, {"STUB", STUB}, {"STUB_END", IN_STUB(stub_image_end)}, {"GUEST_BASE", GUEST_BASE},
		{"GUEST_END", GUEST_END}, {"FD_MEMORY", FD_MEMORY}, {"FD_MEMORY_READ", FD_MEMORY_READ}, {"MAX_ORDERS", MAX_ORDERS},
		{"GO_RETURN", GO_RETURN}, {"GO_LOAD", GO_LOAD}, {"SPINS", SPINS}, {"KIND", KIND}, {"KIND_CALL", KIND_CALL},
		{"KIND_SIGNAL", KIND_SIGNAL}, {"KIND_KICK", KIND_KICK}, {"SIGNAL", SIGNAL}, {"STEPPED", STEPPED},
		{"FS_BASE", FS_BASE}, {"REGS", REGS}, {"REGS_END", REGS + REGS_END}, {"XSAVE", XSAVE}, {"KICK_SIGNAL", KICK_SIGNAL},
	};
	Py_INCREF(&Stub_type);
	if (PyModule_AddObject(module, "Stub", (PyObject *)&Stub_type) < 0)
		goto failed;
	for (size_t i = 0; i < sizeof constants / sizeof constants[0]; i++)
		if (PyModule_AddIntConstant(module, constants[i].name, constants[i].value) < 0)
			goto failed;
	return module;
failed:
	Py_DECREF(module);
	return NULL;
}
