// A program that traces the kernel, and one that samples it, with the rights to do so.
#include <lib/zircon-internal/ktrace.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zircon/process.h>
#include <zircon/processargs.h>
#include <zircon/syscalls-next.h>
#include <zircon/syscalls.h>
#include <zircon/syscalls/resource.h>
#include <zircon/syscalls/sampling.h>

static uint64_t record_size(uint64_t header) { return ((header >> 4) & 0xFFF) * 8; }

static int trace(zx_handle_t root) {
    zx_handle_t tracing, other, one, two;
    if (zx_resource_create(root, ZX_RSRC_KIND_SYSTEM, ZX_RSRC_SYSTEM_TRACING_BASE, 1, NULL, 0, &tracing)) return 1;
    if (zx_resource_create(root, ZX_RSRC_KIND_SYSTEM, ZX_RSRC_SYSTEM_CPU_BASE, 1, NULL, 0, &other)) return 2;
    size_t size = 0, actual = 0;
    if (zx_ktrace_read(tracing, NULL, 0, 0, &size)) return 3;
    char* buffer = malloc(size);
    zx_status_t early = zx_ktrace_read(tracing, buffer, 0, 1, &actual);
    printf("not started: %d, %zu bytes\n", early, actual);
    printf("not allowed: %d\n", zx_ktrace_control(other, KTRACE_ACTION_START, 0, NULL));
    printf("no such action: %d\n", zx_ktrace_control(tracing, 4, 0, NULL));
    if (zx_ktrace_control(tracing, KTRACE_ACTION_START, KTRACE_GRP_IPC | KTRACE_GRP_SYSCALL, NULL)) return 4;
    zx_channel_create(0, &one, &two);
    zx_channel_write(one, 0, "hello", 5, NULL, 0);
    if (zx_ktrace_control(tracing, KTRACE_ACTION_STOP, 0, NULL)) return 5;
    zx_handle_close(one);
    printf("too small: %d\n", zx_ktrace_read(tracing, buffer, 0, size - 1, &actual));
    if (zx_ktrace_read(tracing, buffer, 0, size, &actual)) return 6;
    int kinds[16] = {0};
    for (size_t at = 0; at < actual;) {
        uint64_t header;
        memcpy(&header, buffer + at, sizeof(header));
        kinds[header & 15]++;
        at += record_size(header);
    }
    printf("magic %d, events %d\n", !memcmp(buffer, "\x10\0\4FxT\x16\0", 8), kinds[4]);
    zx_status_t status = zx_ktrace_read(tracing, buffer, 0, size, &actual);
    printf("again: %d, %zu bytes\n", status, actual);
    return 0;
}

__attribute__((noinline)) static uint64_t busy(uint64_t rounds) {
    volatile uint64_t sum = 0;
    for (uint64_t i = 0; i < rounds; i++) sum += i;
    return sum;
}

__attribute__((noinline)) static uint64_t caller(uint64_t rounds) { return busy(rounds) + 1; }

static int sample(zx_handle_t root) {
    zx_handle_t sampling, sampler, second;
    if (zx_resource_create(root, ZX_RSRC_KIND_SYSTEM, ZX_RSRC_SYSTEM_SAMPLING_BASE, 1, NULL, 0, &sampling)) return 1;
    zx_sampler_config_t config = {.period = ZX_MSEC(1), .buffer_size = 65536};
    if (zx_sampler_create(sampling, 0, &config, &sampler)) return 2;
    printf("one at a time: %d\n", zx_sampler_create(sampling, 0, &config, &second));
    printf("not running: %d\n", zx_sampler_stop(sampler));
    if (zx_sampler_start(sampler)) return 3;
    printf("running: %d\n", zx_sampler_start(sampler));
    caller(2000000);
    if (zx_sampler_stop(sampler)) return 4;
    size_t size, actual;
    if (zx_sampler_read(sampler, NULL, 0, &size)) return 5;
    uint64_t* data = malloc(size);
    if (zx_sampler_read(sampler, data, size, &actual)) return 6;
    int samples = 0, in_busy = 0, called = 0;
    for (uint64_t* record = data; record < data + actual / 8; record += record_size(record[0]) / 8) {
        samples++;
        in_busy += record[4] - (uint64_t)busy < 256;
        called += record[5] - (uint64_t)caller < 256;
    }
    printf("room %zu, samples %d, in busy %d, called %d\n", size, samples > 2, in_busy == samples, called == samples);
    zx_status_t status = zx_sampler_read(sampler, data, size, &actual);
    printf("read: %d, %zu bytes\n", status, actual);
    zx_handle_close(sampler);
    printf("another: %d\n", zx_sampler_create(sampling, 0, &config, &second));
    return 0;
}

int main(int argc, char** argv) {
    zx_handle_t root = zx_take_startup_handle(PA_HND(PA_USER0, 0));
    return argc > 1 && !strcmp(argv[1], "sample") ? sample(root) : trace(root);
}
