// Resources and memory pressure, as a program with the rights to them sees them.
#include <stdio.h>
#include <zircon/process.h>
#include <zircon/processargs.h>
#include <zircon/syscalls.h>
#include <zircon/syscalls/resource.h>

static int signaled(zx_handle_t event) {
    return zx_object_wait_one(event, ZX_EVENT_SIGNALED, 0, NULL) == ZX_OK;
}

int main(void) {
    zx_handle_t job = zx_take_startup_handle(PA_HND(PA_USER0, 0));
    zx_handle_t root = zx_take_startup_handle(PA_HND(PA_USER1, 0));
    zx_handle_t normal, warning, memory, vectors, more;

    uint32_t exclusive = ZX_RSRC_KIND_IRQ | ZX_RSRC_FLAG_EXCLUSIVE;
    if (zx_resource_create(root, exclusive, 40, 2, "mine", 4, &vectors) != ZX_OK) return 1;
    zx_info_resource_t info;
    if (zx_object_get_info(vectors, ZX_INFO_RESOURCE, &info, sizeof(info), NULL, NULL) != ZX_OK) return 2;
    printf("%s: kind %u, %zu from %lu\n", info.name, info.kind, info.size, (unsigned long)info.base);
    printf("taken: %d\n", zx_resource_create(root, ZX_RSRC_KIND_IRQ, 41, 1, NULL, 0, &more));
    zx_handle_close(vectors);
    printf("free: %d\n", zx_resource_create(root, ZX_RSRC_KIND_IRQ, 41, 1, NULL, 0, &more));

    if (zx_system_get_event(job, ZX_SYSTEM_EVENT_MEMORY_PRESSURE_NORMAL, &normal) != ZX_OK) return 3;
    if (zx_system_get_event(job, ZX_SYSTEM_EVENT_MEMORY_PRESSURE_WARNING, &warning) != ZX_OK) return 4;
    printf("at first: normal %d, warning %d\n", signaled(normal), signaled(warning));
    uint64_t size = zx_system_get_physmem() / 4 * 3;
    if (zx_vmo_create(size, 0, &memory) != ZX_OK) return 5;
    zx_status_t status = zx_vmo_op_range(memory, ZX_VMO_OP_COMMIT, 0, size, NULL, 0);
    printf("used: %d, normal %d, warning %d\n", status, signaled(normal), signaled(warning));
    zx_handle_close(memory);
    printf("freed: normal %d, warning %d\n", signaled(normal), signaled(warning));
    printf("set: %d\n", zx_object_signal(normal, ZX_EVENT_SIGNALED, 0));
    return 0;
}
