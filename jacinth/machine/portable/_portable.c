// The hottest paths of the portable engine: a system call's way from Unicorn to the trap and back, the switch to another context
// and between two address spaces, and the exchange of registers with a block.
//
// `Engine` and `Context` come before `PortableEngine` and `PortableContext` among the bases of the classes that are used: a method
// here is one of theirs under the same name, and does the same. Without this module theirs run. Only a `WayOut` is carried out
// here alone; they leave it to the trap.
//
// Unicorn is called with the interpreter lock held, and holds it while guest code runs: a hook need not take it.

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <structmember.h>
#include <time.h>

// The order of Unicorn's register file.
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R10 = 10, R12 = 12, R13 };
// The order of a RegisterBlock.
enum { B_RDI, B_RSI, B_RBP, B_RBX, B_RDX, B_RCX, B_RAX, B_RSP, B_R8, B_IP = 16, B_FLAGS, B_FS_BASE, B_GS_BASE, B_WORDS };

// x86_64.Rflags.
#define ARITHMETIC 0x8d5ull
#define TF 0x100ull
#define DF 0x400ull
#define ALWAYS 0x202ull  // and IF
#define USER_TOP (1ull << 47)
#define USER (ARITHMETIC | TF | DF | 0x244000ull)

// Page table entries.
#define PRESENT 1ull
#define FRAME 0x000ffffffffff000ull

static PyTypeObject* engine_type;
static PyTypeObject* context_type;
static PyTypeObject* way_out_type;
static PyObject *zero, *name_words, *name_cr3, *name_load_space, *name_after_syscall, *name_fail_in_syscall;

typedef struct Context Context;
typedef struct WayOut WayOut;

typedef struct {
  PyObject_HEAD
  // What is in memory of Unicorn's, as cpu.py has found it. All NULL unless the engine is open.
  uint8_t* env;
  uint8_t* memory;
  uint8_t *tlb_dirty, *tlb, *tlb_mask;
  uint64_t (*read_eflags)(void* env);
  // And where in env.
  unsigned rip, eflags, cc_src, cc_op, hflags, fs_base, gs_base, cr3;
  unsigned state_size, general_end, tlb_size, other_view, cc_op_eflags;
  uint64_t memory_size;
  // Blocks run and how many may run; or, where time is measured, when the slice is over. NULL where it is the other one.
  uint64_t *budget, *due;

  // The engine's attributes of these names.
  Context* live;
  PyObject *space, *trap, *fresh_general, *registers;
  unsigned view;
  unsigned long long quantum;
  char attention, pc_written, kicked, armed, special, takes_ways_out;
  unsigned char in_syscall;

  PyObject* other;
  uint64_t other_cr3;
  PyObject* syscall_exit;
} Engine;

struct Context {
  PyObject_HEAD
  Engine* engine;
  PyObject* aspace;
  WayOut* way_out;                 // the one that is open
  PyObject *registers, *own_registers;  // where they are now, and while they are not in the CPU
  unsigned long long own_address;
  char armed, step_pending;
};

struct WayOut {
  PyObject_HEAD
  PyObject *block, *aspace;
  Py_buffer words;
  Py_buffer code_frames;
  Py_ssize_t frame;
  unsigned long cleared;  // a bit for each word of the block
  unsigned long long pc, arg1, arg2, tp, abi_reg;
  char open;
};

static uint64_t get(const uint8_t* file, unsigned place) {
  uint64_t value;
  memcpy(&value, file + place, 8);
  return value;
}

static void put(uint8_t* file, unsigned place, uint64_t value) { memcpy(file + place, &value, 8); }

static void replace(PyObject** place, PyObject* value) {
  PyObject* old = *place;
  *place = Py_XNewRef(value);
  Py_XDECREF(old);
}

static void open_way_out(Context* context, WayOut* way) {
  WayOut* old = context->way_out;
  if (old != NULL) old->open = 0;
  context->way_out = (WayOut*)Py_XNewRef(way);
  if (way != NULL) way->open = 1;
  Py_XDECREF(old);
}

// ---- The engine as the others see it -------------------------------------------------------------------------------------

// Where the page at an address begins, by the page table that is loaded; NULL where nothing is mapped.
static const uint8_t* page_at(Engine* engine, uint64_t address) {
  uint64_t entry = get(engine->env, engine->cr3);
  for (int shift = 39; shift >= 12; shift -= 9) {
    uint64_t place = (entry & FRAME) | (address >> shift & 511) << 3;
    if (place + 8 > engine->memory_size) return NULL;
    entry = get(engine->memory + place, 0);
    if (!(entry & PRESENT)) return NULL;
  }
  uint64_t place = entry & FRAME;
  return place + 4096 <= engine->memory_size ? engine->memory + place : NULL;
}

// The length of the syscall instruction at the pc, which prefixes may precede.
static unsigned measure(Engine* engine) {
  if (engine->in_syscall > 1) return engine->in_syscall;
  uint64_t pc = get(engine->env, engine->rip);
  const uint8_t* page = page_at(engine, pc);
  bool escaped = false;  // the byte before is 0x0f
  for (unsigned length = 1; length < 16 && page != NULL; ++length, ++pc) {
    if (length > 1 && !(pc & 0xfff) && (page = page_at(engine, pc)) == NULL) break;
    uint8_t code = page[pc & 0xfff];
    if (escaped && code == 0x05) return length;
    escaped = code == 0x0f;
  }
  return 2;
}

static void attend(Engine* engine, Context* context, bool pc) {
  if (engine->live != context) return;
  engine->attention = 1;
  if (pc && engine->in_syscall && !engine->pc_written) {
    engine->in_syscall = measure(engine);
    engine->pc_written = 1;
  }
}

// PortableEngine._swap.
static void swap(Engine* engine) {
  // What Unicorn uses lies first, and behind it what it does not use.
  uint8_t between[1024];
  memcpy(between, engine->tlb, engine->tlb_size);
  memcpy(engine->tlb, engine->tlb + engine->tlb_size, engine->tlb_size);
  memcpy(engine->tlb + engine->tlb_size, between, engine->tlb_size);
  memcpy(between, engine->tlb_mask, 16);
  memcpy(engine->tlb_mask, engine->tlb_mask + 16, 16);
  memcpy(engine->tlb_mask + 16, between, 16);
  *engine->tlb_dirty = 7;
  engine->view ^= engine->other_view;
}

// Whether the space is loaded now. It takes Python where it is not the one that was there before.
static bool load_space(Engine* engine, PyObject* space) {
  if (space == engine->space) return true;
  if (space != engine->other) {
    PyObject* done = PyObject_CallMethodOneArg((PyObject*)engine, name_load_space, space);
    Py_XDECREF(done);
    return done != NULL;
  }
  swap(engine);
  uint64_t cr3 = get(engine->env, engine->cr3);
  put(engine->env, engine->cr3, engine->other_cr3);
  engine->other_cr3 = cr3;
  engine->other = engine->space;
  engine->space = space;  // the two have changed places, and their references with them
  return true;
}

static void mark_view(Engine* engine) {
  uint32_t hflags;
  memcpy(&hflags, engine->env + engine->hflags, 4);
  hflags = (hflags & ~engine->other_view) | engine->view;
  memcpy(engine->env + engine->hflags, &hflags, 4);
}

// Whether going on elsewhere takes more than registers and a view.
static bool is_watched(Engine* engine, Context* context) {
  return get(engine->env, engine->eflags) & TF || engine->armed || context->armed || context->step_pending || engine->kicked;
}

// PortableEngine._go_on_elsewhere. -1 with an exception.
static int go_on_elsewhere(Engine* engine, Context* context) {
  uint8_t* env = engine->env;
  if (is_watched(engine, context)) return 0;
  put(env, engine->eflags, get(env, engine->eflags) & ~(ARITHMETIC | DF));
  if (engine->pc_written) {
    engine->pc_written = 0;
    put(env, engine->rip, get(env, engine->rip) - engine->in_syscall);
  }
  if (!load_space(engine, context->aspace)) return -1;
  mark_view(engine);
  engine->attention = 0;
  return 1;
}

static bool slice_is_over(Engine* engine) {
  if (engine->due == NULL) return false;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000ull + now.tv_nsec >= *engine->due;
}

// PortableEngine._load, while the live context is in a syscall instruction: another one goes on. 0 where that takes more, -1 with
// an exception.
static int switch_to(Engine* engine, Context* next) {
  Context* live = engine->live;
  uint8_t *env = engine->env, *own = (uint8_t*)next->own_address;
  if (live == NULL || live->own_address == 0 || own == NULL || engine->special) return 0;
  if (is_watched(engine, live) || get(own, engine->eflags) & TF || next->armed || next->step_pending) return 0;
  if (slice_is_over(engine)) return 0;
  unsigned length = measure(engine);
  if (!load_space(engine, next->aspace)) return -1;
  uint64_t cr3 = get(env, engine->cr3);
  put(env, engine->eflags, engine->read_eflags(env) | ALWAYS);  // with those that are apart while guest code runs
  if (!engine->pc_written) put(env, engine->rip, get(env, engine->rip) + length);
  engine->pc_written = 0;
  memcpy((uint8_t*)live->own_address, env, engine->state_size);
  replace(&live->registers, live->own_registers);
  memcpy(env, own, engine->state_size);
  replace(&next->registers, engine->registers);
  replace((PyObject**)&engine->live, (PyObject*)next);
  put(env, engine->cr3, cr3);  // the context's copy may be of another space
  put(env, engine->eflags, get(env, engine->eflags) & ~(ARITHMETIC | DF));
  put(env, engine->rip, get(env, engine->rip) - length);  // Unicorn is about to add it
  mark_view(engine);
  if (engine->budget != NULL) engine->budget[1] = engine->budget[0] + engine->quantum;
  engine->attention = 0;
  return 1;
}

// ---- Registers -----------------------------------------------------------------------------------------------------------

static uint64_t flags_of(Engine* engine, uint8_t* file) {
  uint64_t flags = get(file, engine->eflags);
  if (get(file, engine->cc_op) == (engine->cc_op_eflags | 1ull << 32))
    return (flags & ~(ARITHMETIC | DF)) | (get(file, engine->cc_src) & ARITHMETIC);
  return engine->read_eflags(file);
}

static void save(Engine* engine, uint8_t* file, uint64_t pc, uint8_t* block) {
  uint64_t words[B_WORDS], regs[8];
  memcpy(regs, file, sizeof regs);
  words[B_RDI] = regs[RDI];
  words[B_RSI] = regs[RSI];
  words[B_RBP] = regs[RBP];
  words[B_RBX] = regs[RBX];
  words[B_RDX] = regs[RDX];
  words[B_RCX] = regs[RCX];
  words[B_RAX] = regs[RAX];
  words[B_RSP] = regs[RSP];
  memcpy(words + B_R8, file + R8 * 8, 64);
  words[B_IP] = pc;
  words[B_FLAGS] = flags_of(engine, file) & USER;
  words[B_FS_BASE] = get(file, engine->fs_base);
  words[B_GS_BASE] = get(file, engine->gs_base);
  memcpy(block, words, sizeof words);
}

// RegisterBlock.check.
static bool is_canonical(uint64_t base) { return base < USER_TOP || base >= -USER_TOP; }

static void restore(Engine* engine, uint8_t* file, const uint64_t* words) {
  uint64_t regs[8];
  regs[RAX] = words[B_RAX];
  regs[RCX] = words[B_RCX];
  regs[RDX] = words[B_RDX];
  regs[RBX] = words[B_RBX];
  regs[RSP] = words[B_RSP];
  regs[RBP] = words[B_RBP];
  regs[RSI] = words[B_RSI];
  regs[RDI] = words[B_RDI];
  memcpy(file, regs, sizeof regs);
  memcpy(file + R8 * 8, words + B_R8, 64);
  put(file, engine->rip, words[B_IP]);
  uint64_t flags = (words[B_FLAGS] & USER) | ALWAYS;
  put(file, engine->eflags, flags);
  put(file, engine->cc_src, flags & ARITHMETIC);
  put(file, engine->cc_op, engine->cc_op_eflags | (flags & DF ? 0xffffffffull : 1ull) << 32);
  put(file, engine->fs_base, words[B_FS_BASE]);
  put(file, engine->gs_base, words[B_GS_BASE]);
}

static void jump(Engine* engine, uint8_t* file, uint64_t pc, uint64_t arg1, uint64_t arg2, uint64_t tp, uint64_t abi_reg) {
  memcpy(file, PyBytes_AS_STRING(engine->fresh_general), engine->general_end);
  put(file, RDI * 8, arg1);
  put(file, RSI * 8, arg2);
  put(file, engine->rip, pc);
  put(file, engine->fs_base, tp);
  put(file, engine->gs_base, abi_reg);
}

// ---- Ways out ------------------------------------------------------------------------------------------------------------

// The context is in a syscall instruction: take its way out, where there is one and nothing stands against it.
static bool take_way_out(Engine* engine, Context* context) {
  WayOut* way = context->way_out;
  if (engine->special || !engine->takes_ways_out || is_watched(engine, context)) return false;
  if (((char*)way->code_frames.buf)[way->frame]) return false;  // the block lies in code
  if (way->aspace != engine->space && way->aspace != engine->other) return false;
  uint8_t* env = engine->env;
  unsigned length = measure(engine);
  save(engine, env, get(env, engine->rip) + length, way->words.buf);
  for (unsigned word = 0; word < B_WORDS; ++word)
    if (way->cleared >> word & 1) put(way->words.buf, word * 8, 0);
  jump(engine, env, way->pc - length, way->arg1, way->arg2, way->tp, way->abi_reg);  // Unicorn is about to add the length
  put(env, engine->eflags, get(env, engine->eflags) & ~(ARITHMETIC | DF));
  load_space(engine, way->aspace);
  mark_view(engine);
  replace(&context->aspace, way->aspace);
  open_way_out(context, NULL);
  return true;
}

// ---- The hook ------------------------------------------------------------------------------------------------------------

static PyObject* take_exception(void) {
#if PY_VERSION_HEX >= 0x030c0000
  return PyErr_GetRaisedException();
#else
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  if (traceback != NULL) PyException_SetTraceback(value, traceback);
  Py_XDECREF(type);
  Py_XDECREF(traceback);
  return value;
#endif
}

// An exception is set. *again*: nothing has been done yet, and the instruction is to be executed once more.
static void fail(Engine* engine, bool again) {
  PyObject* error = take_exception();
  PyObject* done = PyObject_CallMethodObjArgs((PyObject*)engine, name_fail_in_syscall, error, again ? Py_True : Py_False, NULL);
  if (done == NULL) PyErr_WriteUnraisable((PyObject*)engine);
  Py_XDECREF(done);
  Py_XDECREF(error);
}

// PortableEngine._on_syscall. Unicorn's second argument is ours.
static void on_syscall(void* uc, Engine* engine) {
  Context* context = engine->live;
  if (engine->env == NULL) return;
  if (context != NULL && context->way_out != NULL && take_way_out(engine, context)) return;
  // What a signal handler raises now comes before anything is done.
  if (PyErr_CheckSignals() < 0) {
    fail(engine, true);
    return;
  }
  engine->in_syscall = 1;
  PyObject* arguments[] = {NULL, zero, engine->syscall_exit};
  PyObject* trap = Py_NewRef(engine->trap);
  PyObject* following = PyObject_Vectorcall(trap, arguments + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
  Py_DECREF(trap);
  int done = 0;
  if (following != NULL && following == (PyObject*)engine->live)
    done = engine->attention ? go_on_elsewhere(engine, engine->live) : 1;
  else if (following != NULL && PyObject_TypeCheck(following, context_type))
    done = switch_to(engine, (Context*)following);
  if (following != NULL && done == 0) {
    PyObject* result = PyObject_CallMethodOneArg((PyObject*)engine, name_after_syscall, following);
    done = result == NULL ? -1 : 1;
    Py_XDECREF(result);
  } else {
    engine->in_syscall = 0;
  }
  if (following == NULL || done < 0) fail(engine, false);
  Py_XDECREF(following);
}

// ---- Engine --------------------------------------------------------------------------------------------------------------

static PyObject* engine_open(Engine* self, PyObject* args, PyObject* keywords) {
  static char* names[] = {"env", "memory", "memory_size", "tlb", "tlb_size", "tlb_mask", "tlb_dirty", "read_eflags",
                          "rip", "eflags", "cc_src", "cc_op", "hflags", "fs_base", "gs_base", "cr3",
                          "general_end", "other_view", "cc_op_eflags", "syscall_exit", "state_size",
                          "budget", "due", NULL};
  unsigned long long env, memory, memory_size, tlb, tlb_mask, tlb_dirty, read_eflags, budget, due;
  PyObject* syscall_exit;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "$KKKKIKKKIIIIIIIIIIIOIKK:_open", names, &env, &memory, &memory_size, &tlb,
                                   &self->tlb_size, &tlb_mask, &tlb_dirty, &read_eflags, &self->rip, &self->eflags,
                                   &self->cc_src, &self->cc_op, &self->hflags, &self->fs_base, &self->gs_base, &self->cr3,
                                   &self->general_end, &self->other_view, &self->cc_op_eflags, &syscall_exit,
                                   &self->state_size, &budget, &due))
    return NULL;
  replace(&self->syscall_exit, syscall_exit);
  if (self->fresh_general == NULL || !PyBytes_Check(self->fresh_general) ||
      PyBytes_GET_SIZE(self->fresh_general) < self->general_end || self->tlb_size > 1024) {
    PyErr_SetString(PyExc_ValueError, "registers or translation buffers of another size");
    return NULL;
  }
  self->memory = (uint8_t*)memory;
  self->memory_size = memory_size;
  self->tlb = (uint8_t*)tlb;
  self->tlb_mask = (uint8_t*)tlb_mask;
  self->tlb_dirty = (uint8_t*)tlb_dirty;
  self->read_eflags = (uint64_t(*)(void*))read_eflags;
  self->budget = (uint64_t*)budget;
  self->due = (uint64_t*)due;
  self->env = (uint8_t*)env;
  return Py_BuildValue("KK", (unsigned long long)(uintptr_t)on_syscall, (unsigned long long)(uintptr_t)self);
}

static PyObject* engine_close(Engine* self, PyObject* none) {
  self->env = NULL;
  self->memory = self->tlb = self->tlb_mask = self->tlb_dirty = NULL;
  self->budget = self->due = NULL;
  Py_RETURN_NONE;
}

static PyObject* engine_swap(Engine* self, PyObject* none) {
  if (self->env != NULL) swap(self);
  Py_RETURN_NONE;
}

static PyObject* engine_attend(Engine* self, PyObject* args, PyObject* keywords) {
  static char* names[] = {"context", "pc", NULL};
  PyObject* context;
  int pc = 0;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|p:attend", names, &context, &pc)) return NULL;
  if (self->env != NULL) attend(self, (Context*)context, pc);
  Py_RETURN_NONE;
}

static PyObject* engine_get_live(Engine* self, void* closure) { return Py_NewRef(self->live ? (PyObject*)self->live : Py_None); }

static int engine_set_live(Engine* self, PyObject* value, void* closure) {
  if (value == Py_None) value = NULL;
  if (value != NULL && !PyObject_TypeCheck(value, context_type)) {
    PyErr_SetString(PyExc_TypeError, "a context of another engine");
    return -1;
  }
  replace((PyObject**)&self->live, value);
  return 0;
}

static PyObject* engine_get_other(Engine* self, void* closure) { return Py_NewRef(self->other ? self->other : Py_None); }

static int engine_set_other(Engine* self, PyObject* value, void* closure) {
  uint64_t cr3 = 0;
  if (value == Py_None) value = NULL;
  if (value != NULL) {
    PyObject* number = PyObject_GetAttr(value, name_cr3);
    if (number == NULL) return -1;
    cr3 = PyLong_AsUnsignedLongLong(number);
    Py_DECREF(number);
    if (PyErr_Occurred()) return -1;
  }
  replace(&self->other, value);
  self->other_cr3 = cr3;
  return 0;
}

static int engine_traverse(Engine* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(self->live);
  Py_VISIT(self->space);
  Py_VISIT(self->other);
  Py_VISIT(self->trap);
  Py_VISIT(self->fresh_general);
  Py_VISIT(self->registers);
  Py_VISIT(self->syscall_exit);
  return 0;
}

static int engine_clear(Engine* self) {
  engine_close(self, NULL);
  Py_CLEAR(self->live);
  Py_CLEAR(self->space);
  Py_CLEAR(self->other);
  Py_CLEAR(self->trap);
  Py_CLEAR(self->fresh_general);
  Py_CLEAR(self->registers);
  Py_CLEAR(self->syscall_exit);
  return 0;
}

static void free_object(PyObject* self, inquiry clear) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  clear(self);
  type->tp_free(self);
  Py_DECREF(type);
}

static void engine_dealloc(PyObject* self) { free_object(self, (inquiry)engine_clear); }

static PyMethodDef engine_methods[] = {
    {"_open", (PyCFunction)(void (*)(void))engine_open, METH_VARARGS | METH_KEYWORDS, NULL},
    {"_close", (PyCFunction)engine_close, METH_NOARGS, NULL},
    {"_swap", (PyCFunction)engine_swap, METH_NOARGS, NULL},
    {"attend", (PyCFunction)(void (*)(void))engine_attend, METH_VARARGS | METH_KEYWORDS, NULL},
    {NULL},
};

static PyMemberDef engine_members[] = {
    {"_space", T_OBJECT, offsetof(Engine, space), 0, NULL},
    {"_trap", T_OBJECT, offsetof(Engine, trap), 0, NULL},
    {"fresh_general", T_OBJECT, offsetof(Engine, fresh_general), 0, NULL},
    {"env", T_OBJECT, offsetof(Engine, registers), 0, NULL},
    {"quantum", T_ULONGLONG, offsetof(Engine, quantum), 0, NULL},
    {"_view", T_UINT, offsetof(Engine, view), 0, NULL},
    {"_attention", T_BOOL, offsetof(Engine, attention), 0, NULL},
    {"_pc_written", T_BOOL, offsetof(Engine, pc_written), 0, NULL},
    {"_kicked", T_BOOL, offsetof(Engine, kicked), 0, NULL},
    {"_armed", T_BOOL, offsetof(Engine, armed), 0, NULL},
    {"_special", T_BOOL, offsetof(Engine, special), 0, NULL},
    {"takes_ways_out", T_BOOL, offsetof(Engine, takes_ways_out), 0, NULL},
    {"_in_syscall", T_UBYTE, offsetof(Engine, in_syscall), 0, NULL},
    {NULL},
};

static PyGetSetDef engine_getset[] = {
    {"_live", (getter)engine_get_live, (setter)engine_set_live, NULL, NULL},
    {"_other", (getter)engine_get_other, (setter)engine_set_other, NULL, NULL},
    {NULL},
};

static PyType_Slot engine_slots[] = {
    {Py_tp_methods, engine_methods},   {Py_tp_members, engine_members},   {Py_tp_getset, engine_getset},
    {Py_tp_traverse, engine_traverse}, {Py_tp_clear, engine_clear},       {Py_tp_dealloc, engine_dealloc},
    {0, NULL},
};

static PyType_Spec engine_spec = {
    .name = "jacinth.machine.portable._portable.Engine",
    .basicsize = sizeof(Engine),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = engine_slots,
};

// ---- Context -------------------------------------------------------------------------------------------------------------

// Where the context's registers are now; NULL with an exception.
static uint8_t* file_of(Context* self, Engine** engine) {
  *engine = self->engine;
  if (*engine == NULL) {
    PyErr_SetString(PyExc_ValueError, "a context without an engine");
    return NULL;
  }
  uint8_t* file = (*engine)->live == self ? (*engine)->env : (uint8_t*)self->own_address;
  if (file == NULL) PyErr_SetString(PyExc_ValueError, "a context without registers");
  return file;
}

static PyObject* context_syscall(Context* self, PyObject* none) {
  static const unsigned char order[] = {RAX, RDI, RSI, RDX, R10, R8, R8 + 1, R12, R13};
  Engine* engine;
  uint8_t* file = file_of(self, &engine);
  if (file == NULL) return NULL;
  PyObject* result = PyTuple_New(10);
  if (result == NULL) return NULL;
  for (unsigned i = 0; i < 10; ++i) {
    // Within the hook rip is still that of the instruction, or of its prefixes.
    PyObject* number = PyLong_FromUnsignedLongLong(get(file, i < 9 ? order[i] * 8u : engine->rip));
    if (number == NULL) {
      Py_DECREF(result);
      return NULL;
    }
    PyTuple_SET_ITEM(result, i, number);
  }
  return result;
}

static PyObject* context_set_result(Context* self, PyObject* value) {
  Engine* engine;
  uint8_t* file = file_of(self, &engine);
  if (file == NULL) return NULL;
  uint64_t number = PyLong_AsUnsignedLongLongMask(value);
  if (number == ~0ull && PyErr_Occurred()) return NULL;
  put(file, RAX * 8, number);
  Py_RETURN_NONE;
}

static bool open_block(PyObject* block, Py_buffer* buffer) {
  PyObject* words = PyObject_GetAttr(block, name_words);
  if (words == NULL) return false;
  int failed = PyObject_GetBuffer(words, buffer, PyBUF_WRITABLE);
  Py_DECREF(words);
  if (failed) return false;
  if (buffer->len >= B_WORDS * 8) return true;
  PyBuffer_Release(buffer);
  PyErr_SetString(PyExc_ValueError, "a register block is of 20 words");
  return false;
}

static PyObject* context_save(Context* self, PyObject* block) {
  Engine* engine;
  uint8_t* file = file_of(self, &engine);
  Py_buffer buffer;
  if (file == NULL || !open_block(block, &buffer)) return NULL;
  uint64_t pc = get(file, engine->rip);
  if (file == engine->env && engine->in_syscall && !engine->pc_written) pc += engine->in_syscall = measure(engine);
  save(engine, file, pc, buffer.buf);
  PyBuffer_Release(&buffer);
  Py_RETURN_NONE;
}

static PyObject* context_restore(Context* self, PyObject* const* args, Py_ssize_t count) {
  if (count != 2 && count != 5) {
    PyErr_SetString(PyExc_TypeError, "restore(block, aspace) or restore(block, aspace, way_out, pc, arg1)");
    return NULL;
  }
  PyObject *block = args[0], *aspace = args[1], *way_out = count == 5 && args[2] != Py_None ? args[2] : NULL;
  if (way_out != NULL && !Py_IS_TYPE(way_out, way_out_type)) {
    PyErr_SetString(PyExc_TypeError, "a way out is made by the engine");
    return NULL;
  }
  WayOut* way = (WayOut*)way_out;
  uint64_t pc = 0, arg1 = 0;
  if (way != NULL) {
    pc = PyLong_AsUnsignedLongLong(args[3]);
    arg1 = PyLong_AsUnsignedLongLong(args[4]);
    if ((pc == ~0ull || arg1 == ~0ull) && PyErr_Occurred()) return NULL;
  }
  Engine* engine;
  uint8_t* file = file_of(self, &engine);
  if (file == NULL) return NULL;
  bool mine = way != NULL && way->block == block;
  Py_buffer buffer;
  if (!mine && !open_block(block, &buffer)) return NULL;
  uint64_t words[B_WORDS];
  memcpy(words, mine ? way->words.buf : buffer.buf, sizeof words);
  if (!mine) PyBuffer_Release(&buffer);
  if (words[B_IP] >= USER_TOP || words[B_FLAGS] & ~USER || !is_canonical(words[B_FS_BASE]) || !is_canonical(words[B_GS_BASE])) {
    PyErr_SetString(PyExc_ValueError, "registers that no thread may have");
    return NULL;
  }
  attend(engine, self, true);
  if (way != NULL) {
    way->pc = pc;
    way->arg1 = arg1;
    way->tp = get(file, engine->fs_base);
    way->abi_reg = get(file, engine->gs_base);
  }
  restore(engine, file, words);
  replace(&self->aspace, aspace);
  open_way_out(self, way);
  return PyLong_FromUnsignedLongLong(words[B_RAX]);
}

static PyObject* context_jump(Context* self, PyObject* const* args, Py_ssize_t count) {
  if (count != 6) {
    PyErr_SetString(PyExc_TypeError, "jump(pc, arg1, arg2, tp, abi_reg, aspace)");
    return NULL;
  }
  uint64_t numbers[5];
  for (int i = 0; i < 5; ++i) {
    numbers[i] = PyLong_AsUnsignedLongLong(args[i]);
    if (numbers[i] == ~0ull && PyErr_Occurred()) return NULL;
  }
  Engine* engine;
  uint8_t* file = file_of(self, &engine);
  if (file == NULL) return NULL;
  attend(engine, self, true);
  jump(engine, file, numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]);
  replace(&self->aspace, args[5]);
  open_way_out(self, NULL);
  Py_RETURN_NONE;
}

static int context_traverse(Context* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(self->engine);
  Py_VISIT(self->aspace);
  Py_VISIT(self->way_out);
  Py_VISIT(self->registers);
  Py_VISIT(self->own_registers);
  return 0;
}

static int context_clear(Context* self) {
  Py_CLEAR(self->engine);
  Py_CLEAR(self->aspace);
  Py_CLEAR(self->way_out);
  Py_CLEAR(self->registers);
  Py_CLEAR(self->own_registers);
  return 0;
}

static void context_dealloc(PyObject* self) { free_object(self, (inquiry)context_clear); }

static PyMethodDef context_methods[] = {
    {"syscall", (PyCFunction)context_syscall, METH_NOARGS, NULL},
    {"set_result", (PyCFunction)context_set_result, METH_O, NULL},
    {"save", (PyCFunction)context_save, METH_O, NULL},
    {"restore", (PyCFunction)(void (*)(void))context_restore, METH_FASTCALL, NULL},
    {"jump", (PyCFunction)(void (*)(void))context_jump, METH_FASTCALL, NULL},
    {NULL},
};

static PyMemberDef context_members[] = {
    {"_aspace", T_OBJECT, offsetof(Context, aspace), 0, NULL},
    {"_regs", T_OBJECT, offsetof(Context, registers), 0, NULL},
    {"_own_regs", T_OBJECT, offsetof(Context, own_registers), 0, NULL},
    {"_own_address", T_ULONGLONG, offsetof(Context, own_address), 0, NULL},
    {"armed", T_BOOL, offsetof(Context, armed), 0, NULL},
    {"step_pending", T_BOOL, offsetof(Context, step_pending), 0, NULL},
    {NULL},
};

static PyObject* context_get_engine(Context* self, void* closure) {
  return Py_NewRef(self->engine ? (PyObject*)self->engine : Py_None);
}

static int context_set_engine(Context* self, PyObject* value, void* closure) {
  if (value == NULL || !PyObject_TypeCheck(value, engine_type)) {
    PyErr_SetString(PyExc_TypeError, "an engine of another kind");
    return -1;
  }
  replace((PyObject**)&self->engine, value);
  return 0;
}

static PyGetSetDef context_getset[] = {
    {"_engine", (getter)context_get_engine, (setter)context_set_engine, NULL, NULL},
    {NULL},
};

static PyType_Slot context_slots[] = {
    {Py_tp_methods, context_methods},   {Py_tp_members, context_members}, {Py_tp_getset, context_getset},
    {Py_tp_traverse, context_traverse}, {Py_tp_clear, context_clear},     {Py_tp_dealloc, context_dealloc},
    {0, NULL},
};

static PyType_Spec context_spec = {
    .name = "jacinth.machine.portable._portable.Context",
    .basicsize = sizeof(Context),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = context_slots,
};

// ---- WayOut --------------------------------------------------------------------------------------------------------------

static int way_out_init(WayOut* self, PyObject* args, PyObject* keywords) {
  static char* names[] = {"block", "code_frames", "frame", "cleared", "arg2", "aspace", NULL};
  PyObject *block, *code_frames, *cleared, *aspace;
  if (self->block != NULL) {
    PyErr_SetString(PyExc_TypeError, "a way out is made once");
    return -1;
  }
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOnOKO", names, &block, &code_frames, &self->frame, &cleared, &self->arg2,
                                   &aspace))
    return -1;
  PyObject* words = PySequence_Fast(cleared, "cleared is a sequence of words");
  if (words == NULL) return -1;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(words); ++i) {
    unsigned long word = PyLong_AsUnsignedLong(PySequence_Fast_GET_ITEM(words, i));
    if (word < B_WORDS) self->cleared |= 1ul << word;
  }
  Py_DECREF(words);
  if (PyErr_Occurred() || !open_block(block, &self->words)) return -1;
  if (PyObject_GetBuffer(code_frames, &self->code_frames, PyBUF_SIMPLE) < 0) return -1;
  if (self->frame < 0 || self->frame >= self->code_frames.len) {
    PyErr_SetString(PyExc_ValueError, "a frame beyond the physical memory");
    return -1;
  }
  self->block = Py_NewRef(block);
  self->aspace = Py_NewRef(aspace);
  return 0;
}

static int way_out_traverse(WayOut* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(self->block);
  Py_VISIT(self->aspace);
  Py_VISIT(self->words.obj);
  return 0;
}

static int way_out_clear(WayOut* self) {
  Py_CLEAR(self->block);
  Py_CLEAR(self->aspace);
  return 0;
}

static void way_out_dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  PyBuffer_Release(&((WayOut*)self)->words);
  PyBuffer_Release(&((WayOut*)self)->code_frames);
  PyTypeObject* type = Py_TYPE(self);
  way_out_clear((WayOut*)self);
  type->tp_free(self);
  Py_DECREF(type);
}

static PyMemberDef way_out_members[] = {
    {"pc", T_ULONGLONG, offsetof(WayOut, pc), READONLY, NULL},
    {"arg1", T_ULONGLONG, offsetof(WayOut, arg1), READONLY, NULL},
    {"tp", T_ULONGLONG, offsetof(WayOut, tp), READONLY, NULL},
    {"abi_reg", T_ULONGLONG, offsetof(WayOut, abi_reg), READONLY, NULL},
    {"open", T_BOOL, offsetof(WayOut, open), READONLY, NULL},
    {NULL},
};

static PyType_Slot way_out_slots[] = {
    {Py_tp_init, way_out_init},         {Py_tp_members, way_out_members}, {Py_tp_traverse, way_out_traverse},
    {Py_tp_clear, way_out_clear},       {Py_tp_dealloc, way_out_dealloc}, {0, NULL},
};

static PyType_Spec way_out_spec = {
    .name = "jacinth.machine.portable._portable.WayOut",
    .basicsize = sizeof(WayOut),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = way_out_slots,
};

// ---- The module ----------------------------------------------------------------------------------------------------------

static PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "_portable", .m_size = -1};

PyMODINIT_FUNC PyInit__portable(void) {
  PyObject* self = PyModule_Create(&module);
  if (self == NULL) return NULL;
  struct {
    PyTypeObject** place;
    PyType_Spec* spec;
  } types[] = {{&engine_type, &engine_spec}, {&context_type, &context_spec}, {&way_out_type, &way_out_spec}};
  for (unsigned i = 0; i < 3; ++i) {
    *types[i].place = (PyTypeObject*)PyType_FromSpec(types[i].spec);
    if (*types[i].place == NULL || PyModule_AddType(self, *types[i].place) < 0) return NULL;
  }
  zero = PyLong_FromLong(0);
  name_words = PyUnicode_InternFromString("words");
  name_cr3 = PyUnicode_InternFromString("cr3");
  name_load_space = PyUnicode_InternFromString("_load_space");
  name_after_syscall = PyUnicode_InternFromString("_after_syscall");
  name_fail_in_syscall = PyUnicode_InternFromString("_fail_in_syscall");
  return self;
}
