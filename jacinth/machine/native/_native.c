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
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "layout.h"

extern __attribute__((visibility("hidden"))) const unsigned char stub_image[], stub_image_end[], stub_start[], stub_entry[], stub_handler[];
extern __attribute__((visibility("hidden"))) const unsigned char stub_futex_site[];
#define IN_STUB(label) (STUB + (unsigned)((label) - stub_image))

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#define BIRTH_NS 5000000000LL
#define MAX_WATCHES 4 /* as many as the processor has debug registers */
#define KICK_NS 2000000LL         /* from a kick to the next of the same CPU */
#define PATIENCE_NS 10000000000LL /* so long a kicked CPU, or a servant, may take on however busy a host */

static unsigned xsave_size; /* bytes; a multiple of 8 */
static unsigned long xsave_components;

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
#define IF_ABOVE(value, skip) BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, value, skip, 0)
#define UNLESS_ABOVE(value, skip) BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, value, 0, skip)
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)

/* Guest threads: with `futex`, from the stub's one instruction for that, wait in a slot and wake somebody there, or the servant.
   To wait where the servant does could take a wake-up from it. All else is a signal. */
static unsigned guest_filter(struct sock_filter *to) {
	struct sock_filter program[] = {
		LOAD(LOW(arch)), UNLESS(AUDIT_ARCH_X86_64, 17),
		LOAD(LOW(instruction_pointer)), UNLESS(IN_STUB(stub_futex_site), 15),
		LOAD(HIGH(instruction_pointer)), UNLESS(0, 13),
		LOAD(LOW(nr)), UNLESS(SYS_futex, 11),
		LOAD(HIGH(args[0])), UNLESS(0, 9),
		LOAD(LOW(args[1])), IF(FUTEX_WAKE, 3), UNLESS(FUTEX_WAIT, 6),
		LOAD(LOW(args[0])), UNLESS_ABOVE(SLOTS - 1, 4),
		LOAD(LOW(args[0])), UNLESS_ABOVE(CONTROL - 1, 2), IF_ABOVE(GUEST_BASE - 1, 1),
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
	int watches[MAX_CPUS][MAX_WATCHES]; /* descriptors of events; -1 is none */
	long long kicked[MAX_CPUS]; /* when the CPU was first asked to come back, and has not yet; 0 for not */
	long long last_kick[MAX_CPUS];
	pid_t owner; /* ours; a forked copy of us has no business with it */
	unsigned sequence;   /* of scripts */
	unsigned unanswered; /* of them */
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

static void end_watches(Stub *stub, int cpu) {
	for (int i = 0; i < MAX_WATCHES; i++) {
		if (stub->watches[cpu][i] >= 0)
			close(stub->watches[cpu][i]);
		stub->watches[cpu][i] = -1;
	}
}

static void forget_maps(Stub *stub) {
	if (stub->control)
		munmap((void *)stub->control, CONTROL_SIZE);
	if (stub->slots)
		munmap((void *)stub->slots, stub->cpus * SLOT_SIZE);
	stub->control = stub->slots = NULL;
}

/* Kill the process, and wait until Linux has: then none of its threads runs any more. It stays a zombie, unless *reap*. */
static void make_dead(Stub *stub, int reap) {
	stub->killed = 1;
	if (stub->pid && stub->owner == getpid()) {
		syscall(SYS_pidfd_send_signal, stub->pidfd, SIGKILL, NULL, 0);
		siginfo_t info;
		while (waitid(P_PIDFD, stub->pidfd, &info, WEXITED | (reap ? 0 : WNOWAIT)) < 0 && errno == EINTR)
			;
	}
}

static void end_process(Stub *stub) {
	make_dead(stub, 1);
	stub->pid = 0;
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
			error = errno == EINVAL ? EMFILE : errno; /* fewer are allowed */
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
	/* A process group of its own: what is typed at the terminal is not for it. No session: Linux shares its CPUs out by sessions, and
	   a small one can starve among busy ones. */
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
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

/* The stub asks to be killed with its parent, which to Linux is the thread that has made it. Where that is not the first one,
   which ends with the process, another that lives as long makes it. The interpreter's lock admits one caller at a time. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pid_t process; /* whose thread there is */
	Stub *stub;    /* to be spawned */
	int image;
	const int *descriptors;
	int error;
} spawner;

static void *spawn_for_others(void *unused) {
	pthread_mutex_lock(&spawner.lock);
	for (;;) {
		while (!spawner.stub)
			pthread_cond_wait(&spawner.changed, &spawner.lock);
		spawner.error = spawn(spawner.stub, spawner.image, spawner.descriptors);
		spawner.stub = NULL;
		pthread_cond_broadcast(&spawner.changed);
	}
	return unused;
}

static int start_spawner(void) {
	pthread_mutex_init(&spawner.lock, NULL);
	pthread_cond_init(&spawner.changed, NULL);
	spawner.stub = NULL;
	sigset_t all, before;
	sigfillset(&all);
	pthread_t thread;
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&thread, NULL, spawn_for_others, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!error) {
		pthread_detach(thread);
		spawner.process = getpid();
	}
	return error;
}

static int spawn_from_a_lasting_thread(Stub *stub, int image, const int descriptors[5]) {
	if (syscall(SYS_gettid) == getpid())
		return spawn(stub, image, descriptors);
	int error = spawner.process == getpid() ? 0 : start_spawner();
	if (error)
		return error;
	pthread_mutex_lock(&spawner.lock);
	spawner.stub = stub;
	spawner.image = image;
	spawner.descriptors = descriptors;
	pthread_cond_broadcast(&spawner.changed);
	while (spawner.stub)
		pthread_cond_wait(&spawner.changed, &spawner.lock);
	error = spawner.error;
	pthread_mutex_unlock(&spawner.lock);
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
	stub->owner = getpid();
	stub->pidfd = stub->reply = -1;
	memset(stub->watches, -1, sizeof stub->watches);
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
		error = spawn_from_a_lasting_thread(stub, image, (int[]){control, slots, pipe_ends[1], memory, memory_read});
	}
	if (!error && (stub->pidfd = syscall(SYS_pidfd_open, stub->pid, 0)) < 0) {
		error = errno;
		kill(stub->pid, SIGKILL);
		waitpid(stub->pid, NULL, 0);
		stub->pid = 0;
	}
	/* No core dumps, not to a pipe either, for which Linux takes 0 as no limit. Its debug registers are why it stays dumpable. */
	if (!error)
		prlimit(stub->pid, RLIMIT_CORE, &(struct rlimit){1, 1}, NULL);
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

/* Wait for the servant's answers to all scripts. 1: all went well, 0: something did not, -1: the process has ended. */
static int settle(Stub *stub, int spins) {
	int result = 1;
	long long deadline = 0;
	while (stub->unanswered && !stub->killed) {
		char answer = 0;
		ssize_t got = read(stub->reply, &answer, 1);
		if (got == 1) {
			stub->unanswered--;
			result &= answer == 1;
			continue;
		}
		if (got == 0 || (errno != EINTR && errno != EAGAIN)) /* the process has ended */
			break;
		if (spins-- > 0)
			continue;
		long long now = now_ns();
		if (!deadline) {
			deadline = now + PATIENCE_NS;
			futex(stub->control + CTL_SEQUENCE, FUTEX_WAKE, 1, NULL); /* the guest thread that should have done it may not have */
		} else if (now > deadline) /* somebody has stopped it */
			break;
		struct pollfd wait = {stub->reply, POLLIN, 0};
		Py_BEGIN_ALLOW_THREADS
		poll(&wait, 1, 1000);
		Py_END_ALLOW_THREADS
	}
	if (!stub->unanswered && !stub->killed)
		return result;
	/* What was to be taken away from it is gone when no thread of it runs any more. */
	Py_BEGIN_ALLOW_THREADS
	make_dead(stub, 0);
	Py_END_ALLOW_THREADS
	return -1;
}

static PyObject *answer_of(int settled) {
	if (settled < 0)
		Py_RETURN_NONE;
	return PyBool_FromLong(settled);
}

/* Put a script where the servant reads it. More orders than *room* are an error: -1 with an exception. */
static int write_script(Stub *stub, PyObject *script, Py_ssize_t room) {
	char *orders;
	Py_ssize_t size;
	if (PyBytes_AsStringAndSize(script, &orders, &size) < 0)
		return -1;
	if (size < ORDER_SIZE || size > room * ORDER_SIZE || size % ORDER_SIZE) {
		PyErr_Format(PyExc_ValueError, "a script has 1 to %zd orders of %d bytes", room, ORDER_SIZE);
		return -1;
	}
	memcpy((void *)(stub->control + CTL_SCRIPT), orders, size);
	store32(stub->control + CTL_ORDERS, size / ORDER_SIZE);
	return 0;
}

static void publish_script(Stub *stub) {
	stub->unanswered++;
	store32(stub->control + CTL_SEQUENCE, ++stub->sequence);
}

PyDoc_STRVAR(order_doc,
	"order(script, spins)\n\nHave the process make system calls: *script* has 56 bytes for each, number and six arguments. Answers\n"
	"whether all of them, and those of scripts before, went well; None where the process has ended.");

static PyObject *Stub_order(Stub *stub, PyObject *args) {
	PyObject *script;
	int spins;
	if (!PyArg_ParseTuple(args, "Si", &script, &spins))
		return NULL;
	int before = settle(stub, spins);
	if (before < 0 || stub->killed)
		Py_RETURN_NONE;
	if (write_script(stub, script, MAX_ORDERS) < 0)
		return NULL;
	publish_script(stub);
	futex(stub->control + CTL_SEQUENCE, FUTEX_WAKE, 1, NULL);
	int after = settle(stub, spins);
	return answer_of(after < 0 ? after : before & after);
}

PyDoc_STRVAR(prepare_doc,
	"prepare(cpu, script, spins)\n\nHave the process make the system calls of a script as soon as the CPU's thread goes on with GO_SERVE.\n"
	"Answers as `order`, of scripts before.");

static PyObject *Stub_prepare(Stub *stub, PyObject *args) {
	PyObject *script;
	int cpu, spins;
	if (!PyArg_ParseTuple(args, "iSi", &cpu, &script, &spins))
		return NULL;
	if (cpu < 0 || cpu >= stub->cpus)
		return PyErr_Format(PyExc_ValueError, "there is no CPU %d", cpu);
	int before = settle(stub, spins);
	if (before < 0 || stub->killed)
		Py_RETURN_NONE;
	if (write_script(stub, script, MAX_ORDERS - 2) < 0)
		return NULL;
	/* Behind it: tell the thread, and wake it. */
	unsigned count = load32(stub->control + CTL_ORDERS);
	unsigned long served = SLOTS + cpu * SLOT_SIZE + SERVED;
	unsigned then = stub->sequence + 1;
	store32(stub->slots + cpu * SLOT_SIZE + SERVED_THEN, then);
	unsigned long *order = (unsigned long *)(stub->control + CTL_SCRIPT + count * ORDER_SIZE);
	const unsigned long last[] = {
		ORDER_STORE, served, then, 0, 0, 0, 0,
		SYS_futex, served, FUTEX_WAKE, 1, 0, 0, 0,
	};
	memcpy(order, last, sizeof last);
	store32(stub->control + CTL_ORDERS, count + 2);
	publish_script(stub);
	return answer_of(before);
}

PyDoc_STRVAR(watch_doc,
	"watch(cpu, watches)\n\nStop the CPU's thread by SIGTRAP, from now on, before it executes something or after it has read or written it.\n"
	"*watches* has a tuple for each of up to four: what si_perf_data is to be in its upper half, the address, the debug register's type\n"
	"and the length in bytes. They replace those of before. Answers the errno of the first that cannot be had, or 0.");

static PyObject *Stub_watch(Stub *stub, PyObject *args) {
	int cpu, error = 0;
	PyObject *watches;
	if (!PyArg_ParseTuple(args, "iO!", &cpu, &PyTuple_Type, &watches))
		return NULL;
	if (cpu < 0 || cpu >= stub->cpus || PyTuple_GET_SIZE(watches) > MAX_WATCHES)
		return PyErr_Format(PyExc_ValueError, "there is no CPU %d, or there are too many watches", cpu);
	end_watches(stub, cpu);
	for (int i = 0; i < PyTuple_GET_SIZE(watches) && !stub->killed; i++) {
		unsigned data, type, length;
		unsigned long long address;
		if (!PyArg_ParseTuple(PyTuple_GET_ITEM(watches, i), "IKII", &data, &address, &type, &length))
			return NULL;
		struct perf_event_attr attr = {
			.type = PERF_TYPE_BREAKPOINT,
			.size = sizeof attr,
			.sample_period = 1,
			.exclude_kernel = 1,
			.exclude_hv = 1,
			.remove_on_exec = 1, /* which signals ask for */
			.sigtrap = 1,
			.sig_data = (unsigned long long)data << 32,
			.bp_type = type == 0 ? HW_BREAKPOINT_X : type == 1 ? HW_BREAKPOINT_W : HW_BREAKPOINT_RW,
			.bp_addr = address,
			.bp_len = type == 0 ? sizeof(long) : length,
		};
		stub->watches[cpu][i] = syscall(SYS_perf_event_open, &attr, stub->tids[cpu], -1, -1, PERF_FLAG_FD_CLOEXEC);
		if (stub->watches[cpu][i] < 0 && !error)
			error = errno;
	}
	return PyLong_FromLong(error);
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

PyDoc_STRVAR(kick_doc,
	"kick(cpu)\n\nHave the CPU's thread come back soon. To be repeated until it does: a guest can escape a kick by luck, and where it\n"
	"is not back after some seconds the process is killed.");

static PyObject *Stub_kick(Stub *stub, PyObject *args) {
	int cpu;
	if (!PyArg_ParseTuple(args, "i", &cpu))
		return NULL;
	if (cpu < 0 || cpu >= stub->cpus)
		return PyErr_Format(PyExc_ValueError, "there is no CPU %d", cpu);
	long long now = now_ns();
	if (stub->killed || (stub->kicked[cpu] && now < stub->last_kick[cpu] + KICK_NS))
		Py_RETURN_NONE;
	if (!stub->kicked[cpu])
		stub->kicked[cpu] = now;
	stub->last_kick[cpu] = now;
	if (now > stub->kicked[cpu] + PATIENCE_NS || syscall(SYS_tgkill, stub->pid, stub->tids[cpu], KICK_SIGNAL) < 0)
		make_dead(stub, 0);
	Py_RETURN_NONE;
}

PyDoc_STRVAR(kill_doc,
	"kill()\n\nEnd the process. When this returns none of its threads runs any more. Slots stay readable. In a forked copy of the\n"
	"process that has made it: let go of it.");

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
	{"prepare", (PyCFunction)Stub_prepare, METH_VARARGS, prepare_doc},
	{"slot", (PyCFunction)Stub_slot, METH_VARARGS, slot_doc},
	{"watch", (PyCFunction)Stub_watch, METH_VARARGS, watch_doc},
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

/* ---- Registers ----------------------------------------------------------------------------------------------------------- */

/* What is read and written of a context's registers at every call; where they are changes. */
typedef struct {
	PyObject_HEAD
	Py_buffer buffer; /* from the FS base on, in a slot or in a buffer of Python's */
} Registers;

static unsigned long *register_at(Registers *registers, int offset) {
	return (unsigned long *)((char *)registers->buffer.buf + REGS - FS_BASE + offset);
}

PyDoc_STRVAR(point_doc, "point(memory)\n\nThe registers are in *memory* from now on.");

static PyObject *Registers_point(Registers *registers, PyObject *memory) {
	Py_buffer buffer;
	if (PyObject_GetBuffer(memory, &buffer, PyBUF_WRITABLE) < 0)
		return NULL;
	if (buffer.len < REGS - FS_BASE + REGS_END) {
		PyBuffer_Release(&buffer);
		return PyErr_Format(PyExc_ValueError, "registers need %d bytes", REGS - FS_BASE + REGS_END);
	}
	PyBuffer_Release(&registers->buffer);
	registers->buffer = buffer;
	Py_RETURN_NONE;
}

PyDoc_STRVAR(syscall_doc, "syscall()\n\nSee interface.Context.");

static PyObject *Registers_syscall(Registers *registers, PyObject *unused) {
	static const int order[] = {RAX, RDI, RSI, RDX, R10, R8, R9, R12, R13, RIP};
	if (!registers->buffer.buf)
		return PyErr_Format(PyExc_ValueError, "there are no registers");
	PyObject *result = PyTuple_New(10);
	for (int i = 0; result && i < 10; i++) {
		unsigned long value = *register_at(registers, order[i]);
		PyObject *number = PyLong_FromUnsignedLong(order[i] == RIP ? value - 2 : value);
		if (!number)
			Py_CLEAR(result);
		else
			PyTuple_SET_ITEM(result, i, number);
	}
	return result;
}

PyDoc_STRVAR(set_result_doc, "set_result(value)\n\nSee interface.Context.");

static PyObject *Registers_set_result(Registers *registers, PyObject *value) {
	unsigned long result = PyLong_AsUnsignedLongMask(value);
	if (result == (unsigned long)-1 && PyErr_Occurred())
		return NULL;
	if (!registers->buffer.buf)
		return PyErr_Format(PyExc_ValueError, "there are no registers");
	*register_at(registers, RAX) = result;
	Py_RETURN_NONE;
}

static void Registers_dealloc(Registers *registers) {
	PyBuffer_Release(&registers->buffer);
	Py_TYPE(registers)->tp_free(registers);
}

static PyMethodDef Registers_methods[] = {
	{"point", (PyCFunction)Registers_point, METH_O, point_doc},
	{"syscall", (PyCFunction)Registers_syscall, METH_NOARGS, syscall_doc},
	{"set_result", (PyCFunction)Registers_set_result, METH_O, set_result_doc},
	{NULL, NULL, 0, NULL},
};

static PyTypeObject Registers_type = {
	PyVarObject_HEAD_INIT(NULL, 0).tp_name = "jacinth.machine.native._native.Registers",
	.tp_basicsize = sizeof(Registers),
	.tp_dealloc = (destructor)Registers_dealloc,
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
	.tp_doc = "Registers()\n\nWhat is read and written of a context's registers at every call.",
	.tp_methods = Registers_methods,
	.tp_new = PyType_GenericNew,
};

/* ---- The CPUs ----------------------------------------------------------------------------------------------------------- */

typedef struct {
	PyObject_HEAD
	int count;
	int next;               /* where to look first, so that none is overlooked for long */
	Stub *stubs[MAX_CPUS];  /* in which process each CPU's guest runs; NULL where it is idle */
	Stub *last[MAX_CPUS];   /* in which it ran last */
	unsigned kind[MAX_CPUS]; /* why it came back last */
} Cpus;

static volatile unsigned char *slot_of(Cpus *cpus, int cpu) { return cpus->stubs[cpu]->slots + cpu * SLOT_SIZE; }

/* A CPU that has come back, or -1. */
static int posted(Cpus *cpus) {
	for (int i = 0, cpu = cpus->next; i < cpus->count; i++, cpu = cpu + 1 == cpus->count ? 0 : cpu + 1)
		if (cpus->stubs[cpu] && load32(slot_of(cpus, cpu) + TURN) == TURN_KERNEL) {
			cpus->next = cpu + 1 == cpus->count ? 0 : cpu + 1;
			return cpu;
		}
	return -1;
}

/* Sleep until one of the CPUs comes back, a signal comes or the time is over. */
static void sleep_for(Cpus *cpus, long long timeout_ns) {
	struct futex_waitv waits[MAX_CPUS] = {0};
	int running = 0;
	for (int cpu = 0; cpu < cpus->count; cpu++)
		if (cpus->stubs[cpu]) {
			waits[running].uaddr = (unsigned long)(slot_of(cpus, cpu) + TURN);
			waits[running].val = TURN_GUEST;
			waits[running++].flags = FUTEX_32;
		}
	Py_BEGIN_ALLOW_THREADS
	if (running == 1) {
		struct timespec timeout = timespec_of(timeout_ns);
		futex((volatile unsigned char *)(unsigned long)waits[0].uaddr, FUTEX_WAIT, TURN_GUEST, &timeout);
	} else {
		struct timespec deadline = timespec_of(now_ns() + timeout_ns);
		syscall(SYS_futex_waitv, waits, running, 0, &deadline, CLOCK_MONOTONIC);
	}
	Py_END_ALLOW_THREADS
}

static void set_sleeping(Cpus *cpus, unsigned value) {
	for (int cpu = 0; cpu < cpus->count; cpu++)
		if (cpus->stubs[cpu])
			store32(slot_of(cpus, cpu) + KERNEL_SLEEPS, value);
}

/* The CPU has come back, and is idle from now on. Answers why. */
static long take_back(Cpus *cpus, int cpu) {
	volatile unsigned char *slot = slot_of(cpus, cpu);
	unsigned kind = load32(slot + KIND);
	if (kind == KIND_CALL && load32(slot + STEPPED)) {
		store32(slot + STEPPED, 0);
		kind = KIND_STEPPED_CALL;
	}
	Py_CLEAR(cpus->stubs[cpu]);
	return cpus->kind[cpu] = kind & 0xff;
}

/* The answer of `wait` and `resume`; NULL with an exception. */
static PyObject *await_any(Cpus *cpus, long spins, long long deadline) {
	int cpu = posted(cpus);
	if (cpu < 0) {
		long long left = deadline - now_ns();
		while (cpu < 0 && left > 0 && spins-- > 0) {
			_mm_pause();
			cpu = posted(cpus);
		}
		if (cpu < 0) {
			set_sleeping(cpus, 1);
			cpu = posted(cpus);
			if (cpu < 0 && left > 0) {
				sleep_for(cpus, left);
				cpu = posted(cpus);
			}
			set_sleeping(cpus, 0);
			if (PyErr_CheckSignals())
				return NULL;
			if (cpu < 0) {
				for (int i = 0; i < cpus->count; i++)
					if (cpus->stubs[i] && has_ended(cpus->stubs[i]))
						return PyLong_FromLong(-2);
				return PyLong_FromLong(-1);
			}
		}
	}
	return PyLong_FromLong(cpu | take_back(cpus, cpu) << 8);
}

static void let_go(Cpus *cpus, int cpu, Stub *stub, unsigned command, unsigned spins) {
	volatile unsigned char *slot = stub->slots + cpu * SLOT_SIZE;
	Py_INCREF(stub);
	Py_XSETREF(cpus->stubs[cpu], stub);
	stub->kicked[cpu] = 0;
	store32(slot + SPINS, spins);
	store32(slot + COMMAND, command);
	store32(slot + TURN, TURN_GUEST);
	if (load32(slot + GUEST_SLEEPS))
		futex(slot + TURN, FUTEX_WAKE, 1, NULL);
	Stub *last = cpus->last[cpu];
	if (last != stub) {
		if (last) /* it may spin yet, where this one is to run */
			store32(last->slots + cpu * SLOT_SIZE + SPINS, 0);
		Py_INCREF(stub);
		Py_XSETREF(cpus->last[cpu], stub);
	}
}

/* The arguments stub, cpu, command, guest_spins; -1 with an exception. */
static int take_go(Cpus *cpus, PyObject *const *args) {
	long cpu = PyLong_AsLong(args[1]), command = PyLong_AsLong(args[2]), spins = PyLong_AsLong(args[3]);
	if (PyErr_Occurred())
		return -1;
	if (!PyObject_TypeCheck(args[0], &Stub_type) || cpu < 0 || cpu >= cpus->count || cpu >= ((Stub *)args[0])->cpus) {
		PyErr_SetString(PyExc_ValueError, "no such stub, or CPU");
		return -1;
	}
	let_go(cpus, cpu, (Stub *)args[0], command, spins);
	return 0;
}

PyDoc_STRVAR(go_doc, "go(stub, cpu, command, guest_spins)\n\nLet the CPU's thread in the process *stub* go on.");

static PyObject *Cpus_go(Cpus *cpus, PyObject *const *args, Py_ssize_t count) {
	if (count != 4)
		return PyErr_Format(PyExc_TypeError, "go takes 4 arguments");
	if (take_go(cpus, args) < 0)
		return NULL;
	Py_RETURN_NONE;
}

PyDoc_STRVAR(wait_doc,
	"wait(spins, deadline)\n\nWait until one of the CPUs that run has come back, and is idle then: its number, and in the next byte why, a\n"
	"KIND_*. -1 at *deadline*, in ns of the monotonic clock, or where Python has handled a signal; -2 where one of the processes has\n"
	"ended. It looks *spins* times before it sleeps.");

static PyObject *Cpus_wait(Cpus *cpus, PyObject *const *args, Py_ssize_t count) {
	if (count != 2)
		return PyErr_Format(PyExc_TypeError, "wait takes 2 arguments");
	long spins = PyLong_AsLong(args[0]);
	long long deadline = PyLong_AsLongLong(args[1]);
	if (PyErr_Occurred())
		return NULL;
	return await_any(cpus, spins, deadline);
}

PyDoc_STRVAR(resume_doc,
	"resume(stub, cpu, command, guest_spins, spins, deadline)\n\nBoth; but where the deadline has come, -3, and the CPU stays idle.");

static PyObject *Cpus_resume(Cpus *cpus, PyObject *const *args, Py_ssize_t count) {
	if (count != 6)
		return PyErr_Format(PyExc_TypeError, "resume takes 6 arguments");
	long spins = PyLong_AsLong(args[4]);
	long long deadline = PyLong_AsLongLong(args[5]);
	if (PyErr_Occurred())
		return NULL;
	if (now_ns() >= deadline)
		return PyLong_FromLong(-3);
	if (take_go(cpus, args) < 0)
		return NULL;
	return await_any(cpus, spins, deadline);
}

static void forget_stub(Cpus *cpus, int cpu) {
	Py_CLEAR(cpus->stubs[cpu]);
	Py_CLEAR(cpus->last[cpu]);
}

PyDoc_STRVAR(idle_doc, "idle(cpu)\n\nThe CPU does not run any more: its process was killed.");

static PyObject *Cpus_idle(Cpus *cpus, PyObject *args) {
	int cpu;
	if (!PyArg_ParseTuple(args, "i", &cpu))
		return NULL;
	if (cpu < 0 || cpu >= cpus->count)
		return PyErr_Format(PyExc_ValueError, "there is no CPU %d", cpu);
	forget_stub(cpus, cpu);
	Py_RETURN_NONE;
}

PyDoc_STRVAR(back_doc, "back(cpu)\n\nWhether the CPU is idle, or has come back; if so it is idle now, and the answer is why: a KIND_*. Else None.");

static PyObject *Cpus_back(Cpus *cpus, PyObject *args) {
	int cpu;
	if (!PyArg_ParseTuple(args, "i", &cpu))
		return NULL;
	if (cpu < 0 || cpu >= cpus->count)
		return PyErr_Format(PyExc_ValueError, "there is no CPU %d", cpu);
	if (!cpus->stubs[cpu]) /* a signal handler has raised before anybody heard of it */
		return PyLong_FromLong(cpus->kind[cpu]);
	if (load32(slot_of(cpus, cpu) + TURN) != TURN_KERNEL)
		Py_RETURN_NONE;
	return PyLong_FromLong(take_back(cpus, cpu));
}

static PyObject *Cpus_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
	int count;
	if (!PyArg_ParseTuple(args, "i", &count))
		return NULL;
	if (count < 1 || count > MAX_CPUS)
		return PyErr_Format(PyExc_ValueError, "there can be 1 to %d CPUs", MAX_CPUS);
	Cpus *cpus = (Cpus *)type->tp_alloc(type, 0);
	if (cpus)
		cpus->count = count;
	return (PyObject *)cpus;
}

static void Cpus_dealloc(Cpus *cpus) {
	for (int cpu = 0; cpu < cpus->count; cpu++)
		forget_stub(cpus, cpu);
	Py_TYPE(cpus)->tp_free(cpus);
}

static PyMethodDef Cpus_methods[] = {
	{"go", (PyCFunction)(void (*)(void))Cpus_go, METH_FASTCALL, go_doc},
	{"wait", (PyCFunction)(void (*)(void))Cpus_wait, METH_FASTCALL, wait_doc},
	{"resume", (PyCFunction)(void (*)(void))Cpus_resume, METH_FASTCALL, resume_doc},
	{"idle", (PyCFunction)Cpus_idle, METH_VARARGS, idle_doc},
	{"back", (PyCFunction)Cpus_back, METH_VARARGS, back_doc},
	{NULL, NULL, 0, NULL},
};

static PyTypeObject Cpus_type = {
	PyVarObject_HEAD_INIT(NULL, 0).tp_name = "jacinth.machine.native._native.Cpus",
	.tp_basicsize = sizeof(Cpus),
	.tp_dealloc = (destructor)Cpus_dealloc,
	.tp_flags = Py_TPFLAGS_DEFAULT,
	.tp_doc = "Cpus(count)\n\nWhich CPUs run, and where.",
	.tp_methods = Cpus_methods,
	.tp_new = Cpus_new,
};

PyDoc_STRVAR(tsc_doc, "The host's time stamp counter.");

static PyObject *tsc(PyObject *self, PyObject *unused) { return PyLong_FromUnsignedLongLong(__rdtsc()); }

/* When this module was loaded. Asking Linux for the counter's rate, by a perf event, would take 10 ms. */
static long long loaded_ns;
static unsigned long long loaded_tsc;

PyDoc_STRVAR(tsc_mult_doc, "ns for each count of the time stamp counter, times 2**32: measured since the module was loaded, 5 ms at least.");

static PyObject *tsc_mult(PyObject *self, PyObject *unused) {
	long long end;
	while ((end = now_ns()) < loaded_ns + 5000000)
		;
	unsigned long long mult = ((unsigned __int128)(end - loaded_ns) << 32) / (__rdtsc() - loaded_tsc);
	return PyLong_FromUnsignedLongLong(mult);
}

/* ---- The module --------------------------------------------------------------------------------------------------------- */

static PyMethodDef functions[] = {
	{"make_image", make_image, METH_NOARGS, make_image_doc},
	{"tsc", tsc, METH_NOARGS, tsc_doc},
	{"tsc_mult", tsc_mult, METH_NOARGS, tsc_mult_doc},
	{NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
	PyModuleDef_HEAD_INIT, "_native", "Stub processes of the native engine.", -1, functions, NULL, NULL, NULL, NULL,
};

#include <cpuid.h>

/* Where in an xsave area a component lies, from 2 on; 0 where the CPU has none. */
static unsigned component_at(int number) {
	unsigned eax, ebx, ecx, edx;
	return xsave_components >> number & 1 && __get_cpuid_count(0xd, number, &eax, &ebx, &ecx, &edx) ? ebx : 0;
}

/* What the CPU and Linux must have: xsave with an area that fits a slot, and FS and GS bases for user code. */
static int supported(void) {
	unsigned eax, ebx, ecx, edx;
	if (!__get_cpuid_count(1, 0, &eax, &ebx, &ecx, &edx) || !(ecx & 1u << 27))
		return 0;
	if (!__get_cpuid_count(0xd, 1, &eax, &ebx, &ecx, &edx) || !(eax & 1)) /* xsaveopt */
		return 0;
	if (!__get_cpuid_count(0xd, 0, &eax, &ebx, &ecx, &edx))
		return 0;
	asm volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
	/* Without the tiles of AMX (17, 18): Linux gives them to processes that ask. */
	xsave_components = ((unsigned long)edx << 32 | eax) & ~(3ul << 17);
	xsave_size = 576;
	for (int number = 2; number < 63; number++)
		if (component_at(number) && __get_cpuid_count(0xd, number, &eax, &ebx, &ecx, &edx) && ebx + eax > xsave_size)
			xsave_size = (ebx + eax + 7) & ~7u;
	return xsave_size <= XSAVE_MAX && getauxval(26 /* AT_HWCAP2 */) & 2 /* FSGSBASE */;
}

PyMODINIT_FUNC PyInit__native(void) {
	loaded_ns = now_ns();
	loaded_tsc = __rdtsc();
	if (PyType_Ready(&Stub_type) < 0 || PyType_Ready(&Cpus_type) < 0 || PyType_Ready(&Registers_type) < 0)
		return NULL;
	PyObject *module = PyModule_Create(&definition);
	if (!module)
		return NULL;
	const struct {
		const char *name;
		long value;
	} constants[] = {
		{"SUPPORTED", supported()}, {"XSAVE_SIZE", xsave_size},
		{"XSAVE_YMM", component_at(2)}, {"XSAVE_OPMASK", component_at(5)}, {"XSAVE_ZMM", component_at(6)},
		{"XSAVE_MORE_ZMM", component_at(7)}, {"MAX_CPUS", MAX_CPUS},
		{"ENTRY", IN_STUB(stub_entry)}, {"STUB", STUB}, {"STUB_END", IN_STUB(stub_image_end)}, {"GUEST_BASE", GUEST_BASE},
		{"GUEST_END", GUEST_END}, {"FD_MEMORY", FD_MEMORY}, {"FD_MEMORY_READ", FD_MEMORY_READ}, {"MAX_ORDERS", MAX_ORDERS},
		{"GO_RETURN", GO_RETURN}, {"GO_LOAD", GO_LOAD}, {"GO_SERVE", GO_SERVE}, {"KIND_CALL", KIND_CALL}, {"KIND_STEPPED_CALL", KIND_STEPPED_CALL},
		{"KIND_KICK", KIND_KICK}, {"SIGNAL", SIGNAL}, {"STEPPED", STEPPED},
		{"FS_BASE", FS_BASE}, {"REGS_END", REGS + REGS_END}, {"XSAVE", XSAVE}, {"KICK_SIGNAL", KICK_SIGNAL},
	};
	if (PyModule_AddType(module, &Stub_type) < 0 || PyModule_AddType(module, &Cpus_type) < 0 ||
		PyModule_AddType(module, &Registers_type) < 0)
		goto failed;
	for (size_t i = 0; i < sizeof constants / sizeof constants[0]; i++)
		if (PyModule_AddIntConstant(module, constants[i].name, constants[i].value) < 0)
			goto failed;
	return module;
failed:
	Py_DECREF(module);
	return NULL;
}
