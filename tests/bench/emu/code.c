/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Code that runs once, and code that changes: what costs a translator most.
 *
 * Programs are written into memory at run time.  x86 needs no barrier for a
 * thread that executes what it has written, only a jump (Intel SDM volume 3,
 * 9.1.3), and the call is one.
 */
#include <string.h>
#include <sys/mman.h>

#include "work.h"

static uint8_t *code_memory(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		work_fail("mmap");
	return p;
}

typedef uint32_t program(uint32_t);

static uint32_t call(const uint8_t *code, uint32_t x)
{
	program *f;

	work_barrier();
	memcpy(&f, &code, sizeof(f));
	return f(x);
}

/* What a program begins with: eax is its argument. */
static uint8_t *enter(uint8_t *p)
{
	*p++ = 0x89;			/* mov eax, edi */
	*p++ = 0xf8;
	return p;
}

/* One of a few instructions that change eax by a constant. */
static uint8_t *emit(uint8_t *p, uint32_t value)
{
	switch (value & 3) {
	case 0:
		*p++ = 0x05;		/* add eax, imm32 */
		break;
	case 1:
		*p++ = 0x35;		/* xor eax, imm32 */
		break;
	case 2:
		*p++ = 0x2d;		/* sub eax, imm32 */
		break;
	case 3:
		*p++ = 0x69;		/* imul eax, eax, imm32 */
		*p++ = 0xc0;
		value |= 1;
		break;
	}
	memcpy(p, &value, 4);
	return p + 4;
}

/* 4 KiB of instructions, each executed once; n such pages, all different. */
static uint64_t cold(unsigned n)
{
	enum { LEN = 4096 };
	uint8_t *code = code_memory((size_t)n * LEN), *p, *start;
	uint32_t seed = 1, x = 0;
	unsigned i, k;

	p = code;
	for (i = 0; i < n; i++) {
		p = enter(p);
		for (k = 0; p < code + (size_t)i * LEN + LEN - 32; k++) {
			p = emit(p, work_random(&seed));
			if (k % 8 == 7) {
				*p++ = 0x79;	/* jns over nothing */
				*p++ = 0;
			}
		}
		*p++ = 0xc3;
		p = code + (size_t)(i + 1) * LEN;
	}
	for (i = 0; i < n; i++) {
		start = code + (size_t)i * LEN;
		x = call(start, x);
	}
	munmap(code, (size_t)n * LEN);
	return x;
}

/* A just-in-time compiler's life: write 200 bytes, run them ten times. */
static uint64_t fresh(unsigned n)
{
	enum { LEN = 65536 };
	uint8_t *code = code_memory(LEN), *p, *start;
	uint32_t seed = 5, x = 0;
	unsigned i;

	p = code;
	while (n--) {
		if (p > code + LEN - 1024)
			p = code;
		start = p;
		p = enter(p);
		for (i = 0; i < 40; i++)
			p = emit(p, work_random(&seed));
		*p++ = 0xc3;
		for (i = 0; i < 10; i++)
			x = call(start, x);
	}
	munmap(code, LEN);
	return x;
}

/* One operand changes before each call. */
static uint64_t patch(unsigned n)
{
	uint8_t *code = code_memory(4096), *p = enter(code);
	uint32_t x = 0, value;
	unsigned i;

	for (i = 0; i < 10; i++)
		p = emit(p, i * 77);
	*p = 0xc3;
	for (i = 0; i < n; i++) {
		value = i;
		memcpy(code + 3, &value, 4);
		x = call(code, x);
	}
	munmap(code, 4096);
	return x;
}

/* The code stays; data beside it, on the same page, changes. */
static uint64_t beside(unsigned n)
{
	uint8_t *code = code_memory(4096), *p = enter(code);
	volatile uint32_t *data = (volatile uint32_t *)(code + 2048);
	uint32_t x = 0;
	unsigned i;

	for (i = 0; i < 10; i++)
		p = emit(p, i * 77);
	*p = 0xc3;
	for (i = 0; i < n; i++) {
		data[i % 64] = i;
		x = call(code, x) + data[(i + 1) % 64];
	}
	munmap(code, 4096);
	return x;
}

const struct work code_work[] = {
	{ "cold-code", "code", cold, 700 },
	{ "fresh-code", "code", fresh, 7000 },
	{ "patched-code", "code", patch, 50000 },
	{ "data-beside-code", "code", beside, 2000000 },
	{ NULL },
};
