/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * softfma.h - fused multiply-add in integers, for hosts without FMA
 *
 * (negate ? -(x * y) : x * y) + (sub ? -z : z), rounded once, by the rounding
 * mode, DAZ and FTZ of mxcsr with all exceptions masked.  Flags that rise are
 * added to *flags as they lie in MXCSR.  Operands and results are bit patterns.
 */
#ifndef CPU_SOFTFMA_H
#define CPU_SOFTFMA_H

#include <stdbool.h>
#include <stdint.h>

#define FMA_NEGATE	1u
#define FMA_SUB_EVEN	2u
#define FMA_SUB_ODD	4u

uint64_t soft_fma64(uint64_t x, uint64_t y, uint64_t z, bool negate, bool sub,
    uint32_t mxcsr, uint32_t *flags);
uint32_t soft_fma32(uint32_t x, uint32_t y, uint32_t z, bool negate, bool sub,
    uint32_t mxcsr, uint32_t *flags);

#endif
