// Sizes that hold on x86-64.
#ifndef ZIRCON_LIMITS_H_
#define ZIRCON_LIMITS_H_

#define ZX_PAGE_SHIFT ((uint32_t)12u)
#define ZX_PAGE_SIZE ((uint32_t)(1u << ZX_PAGE_SHIFT))
#define ZX_PAGE_MASK (ZX_PAGE_SIZE - 1u)

#define ZX_MIN_PAGE_SHIFT ((uint32_t)12u)
#define ZX_MIN_PAGE_SIZE ((uint32_t)(1u << ZX_MIN_PAGE_SHIFT))
#define ZX_MAX_PAGE_SHIFT ((uint32_t)21u)
#define ZX_MAX_PAGE_SIZE ((uint32_t)(1u << ZX_MAX_PAGE_SHIFT))

#endif  // ZIRCON_LIMITS_H_
