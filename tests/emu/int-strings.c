/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * int-strings.c - string instructions, as the host does them, and where they
 * stop
 *
 * Random ones of 64-bit mode are compared with the host's: any overlap, any
 * direction, across pages.  In real mode the places where a repetition breaks
 * off (limits, wraps of the address) are known from the SDM (volume 2, REP).
 */
#include <stdio.h>
#include <stdlib.h>

#include "emu/int-native.h"
#include "support/unit.h"

#define ROUNDS 20000

static bool native;

/* --- Against the host ------------------------------------------------------------ */

static unsigned
any_string(uint8_t *p, struct machine_state *s)
{
	static const uint8_t opcodes[] = { 0xa4, 0xa6, 0xaa, 0xac, 0xae };
	uint8_t *start = p;
	unsigned size = 1u << random_below(4), down = random_below(2);
	uint64_t n = random_below(4) ? random_below(64) : random_below(5000);
	uint64_t room = DATA_SIZE - 8, *index[2] = { &s->gpr[RSI],
	    &s->gpr[RDI] };

	n = n * size > room ? room / size : n;
	for (unsigned k = 0; k < 2; k++)
		*index[k] = DATA + (down ? n * size : 0) +
		    random_below((unsigned)(room - n * size) + 1);
	/* Half of them near each other, for overlap. */
	if (random_below(2)) {
		uint64_t d = *index[0] + random_below(40) - 20, low = DATA +
		    (down ? n * size : 0);

		if (d >= low && d + (down ? 8 : n * size) <= low + room -
		    (down ? n * size : 0))
			*index[1] = d;
	}
	s->gpr[RCX] = n;
	s->rflags &= ~(uint64_t)FLAG_DF;
	if (down)
		*p++ = 0xfd;
	if (random_below(5) == 0)
		*p++ = 0x67;
	switch (random_below(5)) {
	case 0: break;
	case 1: *p++ = 0xf2; break;
	default: *p++ = 0xf3; break;
	}
	if (size == 2)
		*p++ = 0x66;
	if (size == 8)
		*p++ = 0x48;
	*p++ = opcodes[random_below(5)] | (size > 1);
	return (unsigned)(p - start);
}

static void
strings_do_what_the_host_does(void)
{
	static struct machine_state in, ours, host;

	if (!native) {
		printf("(no host to compare with) ");
		return;
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint8_t code[16];
		unsigned len;

		for (unsigned n = 0; n < 16; n++)
			in.gpr[n] = random_value();
		in.rflags = random64() & FLAGS_ARITH;
		/* Mostly the same, so that comparisons go far; sometimes all
		 * kinds, so that a byte in the wrong place shows. */
		if (random_below(2)) {
			memset(in.data, 0x55, DATA_SIZE);
			in.gpr[RAX] = 0x5555555555555555;
			for (unsigned n = random_below(4); n; n--)
				in.data[random_below(DATA_SIZE)] ^= 1;
		} else {
			for (unsigned n = 0; n < DATA_SIZE; n += 8) {
				uint64_t v = random64();

				memcpy(in.data + n, &v, 8);
			}
			in.gpr[RAX] = random64();
		}
		len = any_string(code, &in);
		ours = host = in;
		run_native(code, len, &host);
		if (!run_ours(code, len, &ours)) {
			CU_FAIL("it ends");
			return;
		}
		ours.gpr[RSP] = host.gpr[RSP];
		if (memcmp(&ours, &host, sizeof(ours))) {
			printf("\ncode");
			for (unsigned n = 0; n < len; n++)
				printf(" %02x", code[n]);
			printf("\nflags %lx %lx\n", (long)ours.rflags,
			    (long)host.rflags);
			for (unsigned n = 0; n < 16; n++)
				printf("%u %lx: %lx %lx\n", n, (long)in.gpr[n],
				    (long)ours.gpr[n], (long)host.gpr[n]);
			CU_FAIL("the same");
			return;
		}
	}
	CU_PASS("all the same");
}

/* --- Where they stop, in real mode -------------------------------------------------- */

#define HANDLER 0x500u

/* Runs real-mode code at 0:1000; every exception ends at a HLT of its own. */
static unsigned
run_real(const uint8_t *code, unsigned len, struct cpu_regs *r)
{
	uint8_t bytes[32];
	struct cpu_regs in;
	unsigned vector;

	for (vector = 0; vector < 32; vector++) {
		uint32_t to = HANDLER + vector;

		mem_write(bench.mem, 4 * vector, &to, 4);
		mem_write(bench.mem, HANDLER + vector, "\xf4", 1);
	}
	memcpy(bytes, code, len);
	bytes[len] = 0xf4;
	mem_write(bench.mem, 0x1000, bytes, len + 1);
	cpu_interp.get(bench.cpu, &in);
	memcpy(in.gpr, r->gpr, sizeof(in.gpr));
	in.gpr[RSP] = 0x800;
	in.rip = 0x1000;
	in.rflags = r->rflags | 2;
	cpu_interp.set(bench.cpu, &in);
	if (cpu_interp.run(bench.cpu) != CPU_EXIT_HALT)
		return 99;
	cpu_interp.get(bench.cpu, r);
	return r->rip > 0x1000 ? 32 : (unsigned)(r->rip - 1 - HANDLER);
}

static uint16_t
word_at(uint64_t gpa)
{
	uint16_t v = 0;

	mem_read(bench.mem, gpa, &v, 2);
	return v;
}

static void
a_fault_leaves_the_last_element_done(void)
{
	struct cpu_regs r = { .rflags = 2 };

	/* rep movsw up to an odd end: the word at FFFFh is beyond the limit.
	 * From 8001h on that is 16383 words before it. */
	step_bench_mode(&bench, 16);
	r.gpr[RSI] = 0x8001;
	r.gpr[RDI] = 0x2000;
	r.gpr[RCX] = 0x4010;
	mem_write(bench.mem, 0xfffd, "\x34\x12", 2);
	CU_ASSERT_EQUAL(run_real((const uint8_t *)"\xf3\xa5", 2, &r), EXC_GP);
	CU_ASSERT_EQUAL(r.gpr[RSI], 0xffff);
	CU_ASSERT_EQUAL(r.gpr[RDI], 0x2000 + 2 * 16383);
	CU_ASSERT_EQUAL(r.gpr[RCX], 0x4010 - 16383);
	CU_ASSERT_EQUAL(word_at(0x2000 + 2 * 16382), 0x1234);
	/* the pushed IP is the string instruction's */
	CU_ASSERT_EQUAL(word_at(r.gpr[RSP] & 0xffff), 0x1000);
}

static void
a_limit_within_a_page_is_met(void)
{
	struct cpu_regs r = { .rflags = 2 }, set;

	/* ES ends at 2344h: rep stosw from 2301h does 34 words */
	step_bench_mode(&bench, 16);
	cpu_interp.get(bench.cpu, &set);
	set.seg[SEG_ES].limit = 0x2344;
	cpu_interp.set(bench.cpu, &set);
	mem_write(bench.mem, 0x2343, "\0\0\0", 3);
	r.gpr[RDI] = 0x2301;
	r.gpr[RCX] = 100;
	r.gpr[RAX] = 0x1111;
	CU_ASSERT_EQUAL(run_real((const uint8_t *)"\xf3\xab", 2, &r), EXC_GP);
	CU_ASSERT_EQUAL(r.gpr[RDI], 0x2345);
	CU_ASSERT_EQUAL(r.gpr[RCX], 100 - 34);
	CU_ASSERT_EQUAL(word_at(0x2343), 0x1111);
	CU_ASSERT_EQUAL(word_at(0x2345), 0);
}

static void
bytes_go_on_round_the_segment(void)
{
	struct cpu_regs r = { .rflags = 2 };

	/* rep stosb from FFF0h: after FFFFh comes 0, of 16 bits */
	step_bench_mode(&bench, 16);
	r.gpr[RDI] = 0xabcdfff0;
	r.gpr[RCX] = 0x12340020;
	r.gpr[RAX] = 0xf4;	/* vectors are not taken here */
	CU_ASSERT_EQUAL(run_real((const uint8_t *)"\xf3\xaa", 2, &r), 32);
	CU_ASSERT_EQUAL(r.gpr[RDI], 0xabcd0010);
	CU_ASSERT_EQUAL(r.gpr[RCX], 0x12340000);
	CU_ASSERT_EQUAL(word_at(0xfffe), 0xf4f4);
	CU_ASSERT_EQUAL(word_at(0xe), 0xf4f4);
	CU_ASSERT_NOT_EQUAL(word_at(0x10), 0xf4f4);
}

static void
downwards_ends_below_zero(void)
{
	struct cpu_regs r = { .rflags = 2 | FLAG_DF };

	/* rep lodsb from 3 down: 3 2 1 0 FFFF FFFE */
	step_bench_mode(&bench, 16);
	r.gpr[RSI] = 3;
	r.gpr[RCX] = 6;
	mem_write(bench.mem, 0xfffe, "\x77", 1);
	CU_ASSERT_EQUAL(run_real((const uint8_t *)"\xf3\xac", 2, &r), 32);
	CU_ASSERT_EQUAL(r.gpr[RSI], 0xfffd);
	CU_ASSERT_EQUAL(r.gpr[RAX] & 0xff, 0x77);
}

/* More than one round: it is resumed, and all of it is done. */
static void
long_repetitions_are_resumed(void)
{
	static struct machine_state s;
	uint8_t *p = bench.ram + 0x210000;
	uint32_t n, wrong = 0;

	step_bench_mode(&bench, 64);
	memset(p, 0, 0x180000);
	memset(&s, 0, sizeof(s));
	s.gpr[RDI] = 0x210000;
	s.gpr[RCX] = 0x170001;
	s.gpr[RAX] = 0x5a;
	CU_ASSERT_TRUE(run_ours((const uint8_t *)"\xf3\xaa", 2, &s));
	CU_ASSERT_EQUAL(s.gpr[RCX], 0);
	CU_ASSERT_EQUAL(s.gpr[RDI], 0x210000 + 0x170001);
	for (n = 0; n < 0x170001; n++)
		wrong += p[n] != 0x5a;
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(p[n], 0);
}

/* --- Ports --------------------------------------------------------------------------- */

static uint32_t port_next, port_sum;

static uint64_t
port_read(void *dev, uint64_t off, unsigned size)
{
	return port_next++;
}

static void
port_write(void *dev, uint64_t off, unsigned size, uint64_t v)
{
	port_sum = port_sum * 31 + (uint32_t)v;
}

static void
port_strings_go_element_by_element(void)
{
	static const struct io_ops ops = { port_read, port_write, 0, 0 };
	static struct machine_state s;
	struct board *board = bench.board;
	struct bus_region *at;
	uint32_t want = 0, n, v;

	board_lock(board);
	at = bus_add(bench.bus, 0x1f0, 4, &ops, NULL, "test");
	board_unlock(board);
	step_bench_mode(&bench, 64);
	memset(&s, 0, sizeof(s));
	/* rep insd, more than one round */
	s.gpr[RDI] = DATA;
	s.gpr[RCX] = 3000;
	s.gpr[RDX] = 0x1f0;
	port_next = 100;
	CU_ASSERT_TRUE(run_ours((const uint8_t *)"\xf3\x6d", 2, &s));
	CU_ASSERT_EQUAL(port_next, 3100);
	for (n = 0; n < 3000; n++) {
		memcpy(&v, s.data + 4 * n, 4);
		if (v != 100 + n)
			break;
	}
	CU_ASSERT_EQUAL(n, 3000);
	CU_ASSERT_EQUAL(s.gpr[RDI], DATA + 12000);
	/* rep outsw of what came in */
	s.gpr[RSI] = DATA;
	s.gpr[RCX] = 2000;
	for (n = 0; n < 2000; n++)
		want = want * 31 + (s.data[2 * n] | s.data[2 * n + 1] << 8);
	port_sum = 0;
	CU_ASSERT_TRUE(run_ours((const uint8_t *)"\xf3\x66\x6f", 3, &s));
	CU_ASSERT_EQUAL(port_sum, want);
	board_lock(board);
	bus_remove(at);
	board_unlock(board);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "strings do what the host does",
		    strings_do_what_the_host_does },
		{ "a fault leaves the last element done",
		    a_fault_leaves_the_last_element_done },
		{ "a limit within a page is met",
		    a_limit_within_a_page_is_met },
		{ "bytes go on round the segment",
		    bytes_go_on_round_the_segment },
		{ "downwards ends below zero", downwards_ends_below_zero },
		{ "long repetitions are resumed",
		    long_repetitions_are_resumed },
		{ "port strings go element by element",
		    port_strings_go_element_by_element },
		{ NULL, NULL }
	};
	struct error err;

	if (getenv("SEED"))
		random_state ^= strtoull(getenv("SEED"), NULL, 0) << 7;
	if (step_bench_init(&bench, "max", &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	native = native_init();
	return unit_run("strings", tests);
}
