/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * int-native.h - a piece of 64-bit code, run by our processor and by the host
 *
 * The same bytes, the same registers, the same memory at the same addresses:
 * DATA and what follows it is guest RAM there and a mapping here.  RSP is not
 * given: each has its own.
 */
#ifndef INT_NATIVE_H
#define INT_NATIVE_H

#include <string.h>
#include <sys/mman.h>

#include "cpu/step.h"

#define DATA 0x200000u
#define DATA_SIZE 0x4000u
#define CODE 0x10000u		/* where ours lies in guest memory */
#define CODE_MAX 512u

struct machine_state {
	uint64_t gpr[16], rflags;
	uint8_t data[DATA_SIZE];
};

static struct step_bench bench;

/* Ours, as a block: until HLT, which is put behind the code.  False: it ended
 * in another way. */
static inline bool
run_ours(const uint8_t *code, unsigned len, struct machine_state *s)
{
	uint8_t bytes[CODE_MAX + 1];
	struct cpu_regs r;
	bool good;

	memcpy(bytes, code, len);
	bytes[len] = 0xf4;
	mem_write(bench.mem, CODE, bytes, len + 1);
	mem_write(bench.mem, DATA, s->data, DATA_SIZE);
	cpu_interp.get(bench.cpu, &r);
	memcpy(r.gpr, s->gpr, sizeof(r.gpr));
	r.gpr[RSP] = 0x9000;
	r.rip = CODE;
	r.rflags = (s->rflags & 0xcd5) | 2;
	cpu_interp.set(bench.cpu, &r);
	good = cpu_interp.run(bench.cpu) == CPU_EXIT_HALT;
	cpu_interp.get(bench.cpu, &r);
	memcpy(s->gpr, r.gpr, sizeof(r.gpr));
	s->rflags = r.rflags & 0xcd5;
	memcpy(s->data, bench.ram + DATA, DATA_SIZE);
	return good && r.rip == CODE + len + 1;
}

#ifdef __x86_64__
/* Registers in a page behind the data, where absolute addresses reach. */
static inline bool
native_init(void)
{
	void *at = mmap((void *)(uintptr_t)DATA, DATA_SIZE + 0x2000,
	    PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	return at == (void *)(uintptr_t)DATA;
}

static inline uint8_t *
put_bytes(uint8_t *p, const void *bytes, unsigned n)
{
	memcpy(p, bytes, n);
	return p + n;
}

/* mov register n from (8b) or to (89) the absolute address */
static inline uint8_t *
put_move(uint8_t *p, uint8_t opcode, unsigned n, uint32_t at)
{
	uint8_t b[4] = { 0x48 | (n >> 3) << 2, opcode, 0x04 | (n & 7) << 3,
	    0x25 };

	p = put_bytes(p, b, 4);
	return put_bytes(p, &at, 4);
}

static inline void
run_native(const uint8_t *code, unsigned len, struct machine_state *s)
{
	/* push rbx rbp r12..r15; push [flags]; popf */
	static const uint8_t in[] = { 0x53, 0x55, 0x41, 0x54, 0x41, 0x55,
	    0x41, 0x56, 0x41, 0x57, 0xff, 0x34, 0x25 };
	/* pushf; pop [flags] */
	static const uint8_t flags[] = { 0x9c, 0x8f, 0x04, 0x25 };
	static const uint8_t out[] = { 0xfc, 0x41, 0x5f, 0x41, 0x5e, 0x41,
	    0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3 };
	const uint32_t regs = DATA + DATA_SIZE, at = regs + 128;
	uint8_t *start = (uint8_t *)(uintptr_t)(regs + 0x1000), *p = start;
	uint64_t *r = (uint64_t *)(uintptr_t)regs;
	unsigned n;

	p = put_bytes(p, in, sizeof(in));
	p = put_bytes(p, &at, 4);
	*p++ = 0x9d;
	for (n = 0; n < 16; n++)
		if (n != RSP)
			p = put_move(p, 0x8b, n, regs + 8 * n);
	p = put_bytes(p, code, len);
	for (n = 0; n < 16; n++)
		if (n != RSP)
			p = put_move(p, 0x89, n, regs + 8 * n);
	p = put_bytes(p, flags, sizeof(flags));
	p = put_bytes(p, &at, 4);
	put_bytes(p, out, sizeof(out));

	memcpy(r, s->gpr, sizeof(s->gpr));
	r[16] = (s->rflags & 0xcd5) | 0x202;
	memcpy((void *)(uintptr_t)DATA, s->data, DATA_SIZE);
	((void (*)(void))(uintptr_t)start)();
	memcpy(s->gpr, r, sizeof(s->gpr));
	s->rflags = r[16] & 0xcd5;
	memcpy(s->data, (void *)(uintptr_t)DATA, DATA_SIZE);
}
#else
static inline bool native_init(void) { return false; }
static inline void
run_native(const uint8_t *code, unsigned len, struct machine_state *s)
{
}
#endif

/* xorshift64* */
static uint64_t random_state = 0x9e3779b97f4a7c15;
static inline uint64_t
random64(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 0x2545f4914f6cdd1d;
}
static inline unsigned
random_below(unsigned n)
{
	return (random64() >> 33) % n;
}

/* Numbers at which flags turn, as often as any. */
static inline uint64_t
random_value(void)
{
	static const uint64_t edge[] = { 0, 1, 0x7f, 0x80, 0xff, 0x7fff,
	    0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
	    0x7fffffffffffffff, 0x8000000000000000, ~0ull };

	if (random_below(3) == 0)
		return edge[random_below(sizeof(edge) / sizeof(edge[0]))];
	return random64() >> random_below(64);
}

#endif
