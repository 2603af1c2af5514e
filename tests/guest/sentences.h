// For test programs: one line for each sentence, "ok NAME" or "FAILED NAME: what was expected".
#ifndef SENTENCES_H_
#define SENTENCES_H_

#include <stdio.h>
#include <zircon/syscalls.h>

static const char* sentence;  // the one that is being checked
static int sentence_failed;

// Says whether the sentence before held, and begins `name`; null at the end.
static inline void say(const char* name) {
  if (sentence != NULL && !sentence_failed) printf("ok %s\n", sentence);
  sentence = name;
  sentence_failed = 0;
}

static inline void failed(const char* what, long got, int line) {
  if (!sentence_failed) printf("FAILED %s: line %d: %s is %ld\n", sentence, line, what, got);
  sentence_failed = 1;
}

// The call answers this status.
#define EXPECT(status, call)                                              \
  do {                                                                    \
    zx_status_t expect_got = (call);                                      \
    if (expect_got != (status)) failed(#call, (long)expect_got, __LINE__); \
  } while (0)

#define OK(call) EXPECT(ZX_OK, call)

// The condition holds.
#define TRUE(condition)                                     \
  do {                                                      \
    if (!(condition)) failed(#condition, 0, __LINE__);      \
  } while (0)

#endif  // SENTENCES_H_
