/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core-mem.c - guest memory: layout, devices, DMA, decoded code */
#include "core/mem.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <ucontext.h>

#include "base/bytes.h"
#include "core/board.h"
#include "support/unit.h"

static struct board *board;
static struct mem *mem;
static unsigned changes;
static uint64_t written_frame, written_lines;
static unsigned n_written;

static void changed(void *opaque) { changes++; }
static void code_written(void *opaque, uint64_t frame, uint64_t lines)
{
	n_written++;
	written_frame = frame;
	written_lines = lines;
}

static void begin(uint64_t size)
{
	static const struct mem_listener l = { .changed = changed,
		.code_written = code_written };
	struct error err;

	board = board_new(&err);
	mem = mem_new(board, size, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(mem);
	mem_listen(mem, &l);
	changes = n_written = 0;
}

static void end(void)
{
	mem_free(mem);
	board_free(board);
}

/* A device that notes what it was asked. */
static char asked[256];
static uint64_t answer;

static uint64_t dev_read(void *dev, uint64_t off, unsigned size)
{
	size_t n = strlen(asked);

	snprintf(asked + n, sizeof(asked) - n, "r%x.%u ", (unsigned)off, size);
	return answer >> 8 * (off & 7);
}

static void dev_write(void *dev, uint64_t off, unsigned size, uint64_t v)
{
	size_t n = strlen(asked);

	snprintf(asked + n, sizeof(asked) - n, "w%x.%u=%llx ", (unsigned)off,
	    size, (unsigned long long)v);
}

static const struct io_ops any = { dev_read, dev_write, 0, 0 };
static const struct io_ops dwords = { dev_read, dev_write, 4, 4 };
static const struct io_ops bytes = { dev_read, dev_write, 1, 1 };

static uint64_t ask_read(uint64_t gpa, unsigned size)
{
	asked[0] = 0;
	return mem_io_read(mem, gpa, size);
}

static void ask_write(uint64_t gpa, unsigned size, uint64_t v)
{
	asked[0] = 0;
	mem_io_write(mem, gpa, size, v);
}

static bool is(uint64_t gpa, enum mem_kind kind, const void *host)
{
	struct mem_page p = mem_page(mem, gpa);

	return p.kind == kind && p.host == host;
}

static void ram_has_a_hole_below_4_gib(void)
{
	static const struct { uint64_t size, low; } sizes[] = {
		{ 1 * MIB, 1 * MIB }, { 3 * GIB, 3 * GIB },
		{ 3584 * MIB, 3584 * MIB }, { 3585 * MIB, 3 * GIB },
		{ 16 * GIB, 3 * GIB },
	};

	for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
		uint64_t low = sizes[i].low, high = sizes[i].size - low;
		uint8_t *ram;

		begin(sizes[i].size);
		ram = mem_ram(mem, 0, low);
		CU_ASSERT_PTR_NOT_NULL(ram);
		CU_ASSERT_EQUAL(mem_ram_low(mem), low);
		CU_ASSERT_EQUAL(mem_ram_high(mem), high);
		CU_ASSERT_PTR_NULL(mem_ram(mem, 0, low + 1));
		CU_ASSERT(is(low - 1, MEM_RAM, ram + low - PAGE_SIZE));
		CU_ASSERT(is(low, MEM_NONE, NULL));
		CU_ASSERT(is(4 * GIB - 1, MEM_NONE, NULL));
		if (high) {
			CU_ASSERT(is(4 * GIB, MEM_RAM, ram + low));
			CU_ASSERT_PTR_EQUAL(mem_ram(mem, 4 * GIB, high),
			    ram + low);
			CU_ASSERT(is(4 * GIB + high - 1, MEM_RAM,
			    ram + low + high - PAGE_SIZE));
		}
		CU_ASSERT(is(4 * GIB + high, MEM_NONE, NULL));
		CU_ASSERT(is(UINT64_MAX, MEM_NONE, NULL));
		end();
	}
}

static void sizes_nobody_has_are_refused(void)
{
	struct error err;

	board = board_new(&err);
	CU_ASSERT_PTR_NULL(mem_new(board, 0, &err));
	CU_ASSERT_PTR_NULL(mem_new(board, MIB + 4096, &err));
	CU_ASSERT_PTR_NULL(mem_new(board, 256 * TIB, &err));
	CU_ASSERT_PTR_NULL(mem_new(board, 512 * GIB, &err));
	CU_ASSERT(strstr(err.text, "the host has") != NULL);
	board_free(board);
}

static void the_table_costs_little(void)
{
	struct rusage before, after;

	getrusage(RUSAGE_SELF, &before);
	begin(16 * GIB);
	mem_add_ram(mem, 0xc0000, 0x40000, MEM_ROM, mem_ram(mem, 0xc0000,
	    0x40000), "shadow");
	getrusage(RUSAGE_SELF, &after);
	/* KiB; 16 GiB of guest */
	CU_ASSERT(after.ru_maxrss - before.ru_maxrss < 2048);
	end();
}

static void a_later_region_hides_earlier_ones(void)
{
	struct mem_region *vga, *rom, *small;
	uint8_t *ram, *bios = aligned_alloc(4096, 0x20000);

	begin(4 * MIB);
	ram = mem_ram(mem, 0, 4 * MIB);
	vga = mem_add_io(mem, 0xa0000, 0x20000, &any, NULL, "vga");
	rom = mem_add_ram(mem, 0xb0000, 0x20000, MEM_ROM, bios, "bios");
	CU_ASSERT_EQUAL(changes, 2);
	CU_ASSERT(is(0x9ffff, MEM_RAM, ram + 0x9f000));
	CU_ASSERT(is(0xa0000, MEM_IO, NULL));
	CU_ASSERT(is(0xaffff, MEM_IO, NULL));
	CU_ASSERT(is(0xb0000, MEM_ROM, bios));
	CU_ASSERT(is(0xcffff, MEM_ROM, bios + 0x1f000));
	CU_ASSERT(is(0xd0000, MEM_RAM, ram + 0xd0000));
	mem_remove(rom);
	CU_ASSERT(is(0xb0000, MEM_IO, NULL));
	CU_ASSERT(is(0xc0000, MEM_RAM, ram + 0xc0000));
	/* Registers of 16 bytes in a page of RAM make it one to ask about. */
	small = mem_add_io(mem, 0xd0010, 0x10, &any, NULL, "registers");
	CU_ASSERT(is(0xd0000, MEM_IO, NULL));
	CU_ASSERT(is(0xd1000, MEM_RAM, ram + 0xd1000));
	mem_move(small, 0x1fff8);
	CU_ASSERT(is(0xd0000, MEM_RAM, ram + 0xd0000));
	CU_ASSERT(is(0x1f000, MEM_IO, NULL));
	CU_ASSERT(is(0x20000, MEM_IO, NULL));
	mem_move(small, UINT64_MAX - 3);
	mem_move(small, (1ull << MEM_BITS) - 8);
	CU_ASSERT(is((1ull << MEM_BITS) - 1, MEM_IO, NULL));
	CU_ASSERT(is(0x1f000, MEM_RAM, ram + 0x1f000));
	CU_ASSERT(is(0x20000, MEM_RAM, ram + 0x20000));
	/* Moved below an older one it stays above it. */
	mem_move(small, 0xa0000);
	ask_read(0xa0000, 1);
	CU_ASSERT_STRING_EQUAL(asked, "r0.1 ");
	mem_remove(small);
	mem_remove(vga);
	mem_remove(NULL);
	CU_ASSERT(is(0xa0000, MEM_RAM, ram + 0xa0000));
	end();
	free(bios);
}

static void pam_alternates_ram_and_rom(void)
{
	uint8_t *ram, *bios = aligned_alloc(4096, 0x40000);
	struct mem_region *shadow;

	begin(2 * MIB);
	ram = mem_ram(mem, 0, 2 * MIB);
	mem_add_ram(mem, 0xc0000, 0x40000, MEM_ROM, bios, "bios");
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t gpa = 0xc0000 + i % 16 * 0x4000;
		uint64_t at = gpa - 0xc0000;

		shadow = mem_add_ram(mem, gpa, 0x4000, MEM_RAM, ram + gpa,
		    "pam");
		CU_ASSERT(is(gpa, MEM_RAM, ram + gpa));
		CU_ASSERT(is(gpa + 0x3fff, MEM_RAM, ram + gpa + 0x3000));
		if (at)
			CU_ASSERT(is(gpa - 1, MEM_ROM, bios + at - PAGE_SIZE));
		mem_remove(shadow);
		CU_ASSERT(is(gpa, MEM_ROM, bios + at));
	}
	end();
	free(bios);
}

/* Moved about by the guest as often as it likes. */
static void moving_costs_no_memory(void)
{
	struct rusage before, after;
	struct mem_region *r;

	begin(64 * MIB);
	r = mem_add_io(mem, 0, 0x1000, &any, NULL, "bar");
	mem_move(r, 0xe0000000);
	getrusage(RUSAGE_SELF, &before);
	for (uint64_t i = 0; i < 100000; i++)
		mem_move(r, 0x1000 + (i * 0x201000 & 0xffffffffff));
	getrusage(RUSAGE_SELF, &after);
	/* The first level of the table at most: 4 MiB. */
	CU_ASSERT(after.ru_maxrss - before.ru_maxrss < 6000);
	mem_remove(r);
	for (uint64_t gpa = 64 * MIB; gpa < 1ull << MEM_BITS; gpa += 2 * MIB)
		if (mem_page(mem, gpa + 0x1000).kind != MEM_NONE)
			CU_FAIL("something stayed");
	end();
}

static void a_device_sees_accesses_as_it_asked_for(void)
{
	begin(1 * MIB);
	answer = 0x8877665544332211;
	mem_add_io(mem, 0xe0000000, 0x100, &any, NULL, "any");
	mem_add_io(mem, 0xe0001000, 0x100, &dwords, NULL, "dwords");
	mem_add_io(mem, 0xe0002000, 0x100, &bytes, NULL, "bytes");
	CU_ASSERT_EQUAL(ask_read(0xe0000008, 8), 0x8877665544332211);
	CU_ASSERT_STRING_EQUAL(asked, "r8.8 ");
	CU_ASSERT_EQUAL(ask_read(0xe0001008, 8), 0x8877665544332211);
	CU_ASSERT_STRING_EQUAL(asked, "r8.4 rc.4 ");
	CU_ASSERT_EQUAL(ask_read(0xe0001001, 1), 0x22);
	CU_ASSERT_STRING_EQUAL(asked, "r0.4 ");
	CU_ASSERT_EQUAL(ask_read(0xe0001006, 2), 0x8877);
	CU_ASSERT_STRING_EQUAL(asked, "r4.4 ");
	CU_ASSERT_EQUAL(ask_read(0xe0001003, 2), 0x5544);
	CU_ASSERT_STRING_EQUAL(asked, "r0.4 r4.4 ");
	CU_ASSERT_EQUAL(ask_read(0xe0002000, 4), 0x44332211);
	CU_ASSERT_STRING_EQUAL(asked, "r0.1 r1.1 r2.1 r3.1 ");
	ask_write(0xe0001002, 1, 0x1ab);
	CU_ASSERT_STRING_EQUAL(asked, "w2.1=ab ");
	ask_write(0xe0001000, 8, 0x1122334455667788);
	CU_ASSERT_STRING_EQUAL(asked, "w0.4=55667788 w4.4=11223344 ");
	ask_write(0xe0002000, 2, 0xabcd);
	CU_ASSERT_STRING_EQUAL(asked, "w0.1=cd w1.1=ab ");
	end();
}

static void an_access_across_edges_is_taken_apart(void)
{
	uint8_t *ram;

	begin(1 * MIB);
	ram = mem_ram(mem, 0, MIB);
	answer = 0x8877665544332211;
	mem_add_io(mem, 0x1004, 4, &any, NULL, "in RAM");
	memset(ram + 0x1000, 0xee, 16);
	CU_ASSERT_EQUAL(ask_read(0x1000, 4), 0xeeeeeeee);
	CU_ASSERT_EQUAL(ask_read(0x1002, 4), 0x2211eeee);
	CU_ASSERT_STRING_EQUAL(asked, "r0.2 ");
	CU_ASSERT_EQUAL(ask_read(0x1007, 8), 0xeeeeeeeeeeeeee44);
	CU_ASSERT_STRING_EQUAL(asked, "r3.1 ");
	ask_write(0x1003, 8, 0x0807060504030201);
	CU_ASSERT_STRING_EQUAL(asked, "w0.4=5040302 ");
	CU_ASSERT_EQUAL(ram[0x1003], 1);
	CU_ASSERT_EQUAL(ram[0x1004], 0xee);
	CU_ASSERT_EQUAL(ram[0x1008], 6);
	CU_ASSERT_EQUAL(ram[0x100a], 8);
	/* Over the end of RAM. */
	ram[MIB - 1] = 0x12;
	CU_ASSERT_EQUAL(ask_read(MIB - 1, 4), 0xffffff12);
	ask_write(MIB - 1, 2, 0x5634);
	CU_ASSERT_EQUAL(ram[MIB - 1], 0x34);
	CU_ASSERT_EQUAL(ask_read(UINT64_MAX - 1, 8), UINT64_MAX);
	ask_write(UINT64_MAX - 1, 8, 0);
	end();
}

static void rom_is_not_written(void)
{
	uint8_t *rom = aligned_alloc(4096, 4096);

	begin(1 * MIB);
	memset(rom, 0x5a, 4096);
	mem_add_ram(mem, 0xfffff000, 4096, MEM_ROM, rom, "rom");
	ask_write(0xfffffff0, 4, 0);
	CU_ASSERT_EQUAL(ask_read(0xfffffff0, 4), 0x5a5a5a5a);
	CU_ASSERT_FALSE(mem_write(mem, 0xfffff000, "x", 1));
	CU_ASSERT_EQUAL(rom[0], 0x5a);
	end();
	free(rom);
}

static void a20_hides_bit_20_from_processors_alone(void)
{
	uint8_t *ram, byte;

	begin(4 * MIB);
	ram = mem_ram(mem, 0, 4 * MIB);
	CU_ASSERT_TRUE(mem_a20(mem));
	ram[0x10] = 1;
	ram[MIB + 0x10] = 2;
	mem_set_a20(mem, false);
	mem_set_a20(mem, false);
	CU_ASSERT_EQUAL(changes, 1);
	CU_ASSERT_FALSE(mem_a20(mem));
	CU_ASSERT(is(MIB, MEM_RAM, ram));
	CU_ASSERT(is(3 * MIB, MEM_RAM, ram + 2 * MIB));
	CU_ASSERT_EQUAL(ask_read(MIB + 0x10, 1), 1);
	CU_ASSERT_TRUE(mem_read(mem, MIB + 0x10, &byte, 1));
	CU_ASSERT_EQUAL(byte, 2);
	mem_set_a20(mem, true);
	CU_ASSERT_EQUAL(changes, 2);
	CU_ASSERT(is(MIB, MEM_RAM, ram + MIB));
	end();
}

/* [gpa, gpa + len) by all ways of DMA. */
static bool dma(uint64_t gpa, uint64_t len, bool good)
{
	uint8_t *buf = malloc(len + 1), *back = malloc(len + 1);
	struct iovec iov[8] = { { (void *)1, 1 } };
	uint64_t total = 0;
	int n = 1;
	bool ok;

	for (uint64_t i = 0; i < len; i++)
		buf[i] = (uint8_t)(i * 7 + gpa);
	memset(back, 0, len + 1);
	ok = mem_write(mem, gpa, buf, len) == good &&
	    mem_read(mem, gpa, back, len) == good &&
	    mem_iov(mem, gpa, len, iov, &n, 8) == good;
	if (good) {
		ok = ok && !memcmp(buf, back, len);
		for (int i = 1; i < n; i++)
			total += iov[i].iov_len;
		ok = ok && total == len;
	} else {
		for (uint64_t i = 0; i < len; i++)
			ok = ok && back[i] == 0xff;
		ok = ok && n == 1 && iov[0].iov_len == 1;
	}
	free(buf);
	free(back);
	return ok;
}

static void dma_stays_in_ram_at_every_edge(void)
{
	const uint64_t low = 3 * GIB, top = 4 * GIB + 1 * GIB;

	begin(4 * GIB);
	mem_add_io(mem, 0x200400, 0x10, &any, NULL, "registers");
	CU_ASSERT(dma(0, 1, true));
	CU_ASSERT(dma(0, 0, true));
	CU_ASSERT(dma(0x1ff003, 4093, true));
	CU_ASSERT(dma(0x1ff003, 4094, false));	/* a page with registers */
	CU_ASSERT(dma(0x200000, 1, false));
	CU_ASSERT(dma(0x201000, 5 * MIB, true));
	CU_ASSERT(dma(low - 1, 1, true));
	CU_ASSERT(dma(low - 1, 2, false));
	CU_ASSERT(dma(low, 1, false));
	CU_ASSERT(dma(low - 4096, 8192, false));
	CU_ASSERT(dma(4 * GIB - 1, 2, false));
	CU_ASSERT(dma(4 * GIB, 3, true));
	CU_ASSERT(dma(top - 5, 5, true));
	CU_ASSERT(dma(top - 5, 6, false));
	CU_ASSERT(dma((1ull << MEM_BITS) - 1, 2, false));
	CU_ASSERT(dma(UINT64_MAX, 1, false));
	CU_ASSERT(dma(UINT64_MAX - 1, 8, false));
	end();
}

static void a_failed_write_changes_nothing(void)
{
	uint8_t *ram, buf[4096] = { 0 };

	begin(1 * MIB);
	ram = mem_ram(mem, 0, MIB);
	memset(ram + MIB - 16, 0x77, 16);
	CU_ASSERT_FALSE(mem_write(mem, MIB - 16, buf, 17));
	CU_ASSERT_EQUAL(ram[MIB - 16], 0x77);
	end();
}

static void iovecs_join_what_lies_together(void)
{
	struct iovec iov[2];
	uint8_t *ram, *other = aligned_alloc(4096, 4096);
	int n = 0;

	begin(8 * MIB);
	ram = mem_ram(mem, 0, 8 * MIB);
	CU_ASSERT_TRUE(mem_iov(mem, 0x1ff0ff, 4 * MIB, iov, &n, 2));
	CU_ASSERT_EQUAL(n, 1);
	CU_ASSERT_PTR_EQUAL(iov[0].iov_base, ram + 0x1ff0ff);
	CU_ASSERT_EQUAL(iov[0].iov_len, 4 * MIB);
	n = 0;
	mem_add_ram(mem, 0x5000, 4096, MEM_RAM, other, "other");
	CU_ASSERT_TRUE(mem_iov(mem, 0x4800, 0x1000, iov, &n, 2));
	CU_ASSERT_EQUAL(n, 2);
	CU_ASSERT_PTR_EQUAL(iov[1].iov_base, other);
	CU_ASSERT_EQUAL(iov[1].iov_len, 0x800);
	n = 0;
	CU_ASSERT_FALSE(mem_iov(mem, 0x4800, 0x2000, iov, &n, 2));
	CU_ASSERT_EQUAL(n, 0);
	end();
	free(other);
}

static unsigned n_runs;
static struct { uint64_t gpa, len; enum mem_kind kind; uint8_t *host; } runs[9];

static void note_run(void *opaque, uint64_t gpa, uint64_t len,
    enum mem_kind kind, uint8_t *host)
{
	if (n_runs < 9) {
		runs[n_runs].gpa = gpa;
		runs[n_runs].len = len;
		runs[n_runs].kind = kind;
		runs[n_runs++].host = host;
	}
}

static void runs_are_whole_pages_and_as_long_as_can_be(void)
{
	uint8_t *ram, *rom = aligned_alloc(4096, 0x10000);

	begin(2 * MIB);
	ram = mem_ram(mem, 0, 2 * MIB);
	mem_add_io(mem, 0xa0000, 0x20000, &any, NULL, "vga");
	mem_add_ram(mem, 0xf0000, 0x10000, MEM_ROM, rom, "bios");
	mem_add_io(mem, 0x100800, 4, &any, NULL, "in RAM");
	mem_add_ram(mem, 0xe0000, 0x4000, MEM_RAM, ram + 0xe0000, "pam");
	n_runs = 0;
	mem_each(mem, note_run, NULL);
	CU_ASSERT_EQUAL_FATAL(n_runs, 4);
	CU_ASSERT_EQUAL(runs[0].len, 0xa0000);
	CU_ASSERT_EQUAL(runs[1].gpa, 0xc0000);
	CU_ASSERT_EQUAL(runs[1].len, 0x30000);
	CU_ASSERT_PTR_EQUAL(runs[1].host, ram + 0xc0000);
	CU_ASSERT_EQUAL(runs[2].kind, MEM_ROM);
	CU_ASSERT_EQUAL(runs[2].len, 0x10000);
	CU_ASSERT_EQUAL(runs[3].gpa, 0x101000);
	CU_ASSERT_EQUAL(runs[3].len, 0xff000);
	end();
	free(rom);
}

static void writes_to_decoded_code_are_told(void)
{
	begin(8 * MIB);
	CU_ASSERT_FALSE(mem_has_code(mem, 5));
	mem_code_write(mem, 0, UINT64_MAX);
	CU_ASSERT_EQUAL(n_written, 0);
	CU_ASSERT_TRUE(mem_code_add(mem, 5, 0x6, 0));
	CU_ASSERT_FALSE(mem_code_add(mem, 5, 0x2, 1));
	CU_ASSERT_FALSE(mem_code_add(mem, 5, 0x8, 0));
	CU_ASSERT_TRUE(mem_has_code(mem, 5));
	CU_ASSERT_FALSE(mem_has_code(mem, 6));
	/* Lines 1, 2, 3: bytes 40h..ffh of page 5. */
	mem_code_write(mem, 0x5000, 0x40);
	mem_code_write(mem, 0x5100, 0x1000);
	CU_ASSERT_EQUAL(n_written, 0);
	mem_code_write(mem, 0x503f, 2);
	CU_ASSERT_EQUAL(n_written, 1);
	CU_ASSERT_EQUAL(written_frame, 5);
	CU_ASSERT_EQUAL(written_lines, 2);
	mem_write(mem, 0x50ff, "ab", 2);
	CU_ASSERT_EQUAL(written_lines, 8);
	mem_io_write(mem, 0x4ffc, 8, 0);
	CU_ASSERT_EQUAL(n_written, 2);
	mem_written(mem, 0, 8 * MIB);
	CU_ASSERT_EQUAL(n_written, 3);
	CU_ASSERT_EQUAL(written_lines, 0xe);
	mem_code_drop(mem, 5, 0);
	CU_ASSERT_TRUE(mem_has_code(mem, 5));
	mem_code_drop(mem, 5, 1);
	CU_ASSERT_FALSE(mem_has_code(mem, 5));
	mem_code_drop(mem, 5, 1);
	mem_code_write(mem, 0x5000, 4096);
	CU_ASSERT_EQUAL(n_written, 3);
	CU_ASSERT_TRUE(mem_code_add(mem, 5, 1ull << 63, 7));
	mem_code_write(mem, 0x5fff, 1);
	CU_ASSERT_EQUAL(n_written, 4);
	CU_ASSERT_EQUAL(written_lines, 1ull << 63);
	/* Frames beyond what there can be. */
	CU_ASSERT_FALSE(mem_code_add(mem, 1ull << 28, 1, 0));
	CU_ASSERT_FALSE(mem_has_code(mem, 1ull << 28));
	mem_code_drop(mem, UINT64_MAX, 0);
	end();
}

static void code_everywhere_costs_bounded_memory(void)
{
	struct rusage before, after;
	unsigned lost = 0;

	begin(1 * MIB);
	getrusage(RUSAGE_SELF, &before);
	for (uint64_t f = 0; f < 1ull << 28; f += 512)
		mem_code_add(mem, f, 1, 0);
	getrusage(RUSAGE_SELF, &after);
	CU_ASSERT(after.ru_maxrss - before.ru_maxrss < 7000);
	for (uint64_t f = 0; f < 1ull << 28; f += 512)
		lost += !mem_has_code(mem, f);
	CU_ASSERT_EQUAL(lost, 0);
	mem_code_write(mem, (1ull << 39) + 64, 8);
	CU_ASSERT_EQUAL(n_written, 1);
	end();
}

#ifdef __x86_64__
#define TRAP_FLAG 0x100u

static struct mem_region *mover;
static unsigned steps_left;

/* After so many of the reader's instructions the layout changes under it. */
static void step(int signal, siginfo_t *info, void *context)
{
	ucontext_t *u = context;

	if (--steps_left)
		return;
	u->uc_mcontext.gregs[REG_EFL] &= ~(long long)TRAP_FLAG;
	mem_move(mover, 0x203010);
}

/* A device's registers make a table of pages for their chunk; when they move
 * to another chunk the table goes with them.  A reader stopped between its
 * loads, wherever that is, must not take one chunk's page for the other's. */
static void a_reader_stopped_anywhere_sees_one_layout(void)
{
	struct sigaction action = { .sa_sigaction = step,
		.sa_flags = SA_SIGINFO };
	unsigned wrong = 0, n;
	struct mem_page p;
	uint8_t *ram;

	begin(8 * MIB);
	ram = mem_ram(mem, 0, 8 * MIB);
	mover = mem_add_io(mem, 0x5010, 8, &any, NULL, "moves");
	sigaction(SIGTRAP, &action, NULL);
	for (n = 1; n < 5000; n++) {
		mem_move(mover, 0x5010);
		steps_left = n;
		__builtin_ia32_writeeflags_u64(
		    __builtin_ia32_readeflags_u64() | TRAP_FLAG);
		p = mem_page(mem, 0x6000);
		__builtin_ia32_writeeflags_u64(
		    __builtin_ia32_readeflags_u64() & ~(uint64_t)TRAP_FLAG);
		wrong += p.kind != MEM_RAM || p.host != ram + 0x6000;
		if (steps_left)		/* it was through before */
			break;
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT(n > 10 && n < 5000);
	signal(SIGTRAP, SIG_DFL);
	end();
}
#endif

int main(void)
{
	static const struct unit_test tests[] = {
		{ "RAM has a hole below 4 GiB", ram_has_a_hole_below_4_gib },
		{ "sizes nobody has are refused", sizes_nobody_has_are_refused },
		{ "the page table costs little", the_table_costs_little },
		{ "a later region hides earlier ones",
		    a_later_region_hides_earlier_ones },
		{ "PAM alternates RAM and ROM", pam_alternates_ram_and_rom },
		{ "moving costs no memory", moving_costs_no_memory },
		{ "a device sees accesses as it asked for",
		    a_device_sees_accesses_as_it_asked_for },
		{ "an access across edges is taken apart",
		    an_access_across_edges_is_taken_apart },
		{ "ROM is not written", rom_is_not_written },
		{ "A20 hides bit 20 from processors alone",
		    a20_hides_bit_20_from_processors_alone },
		{ "DMA stays in RAM at every edge",
		    dma_stays_in_ram_at_every_edge },
		{ "a failed write changes nothing",
		    a_failed_write_changes_nothing },
		{ "iovecs join what lies together",
		    iovecs_join_what_lies_together },
		{ "runs are whole pages and as long as can be",
		    runs_are_whole_pages_and_as_long_as_can_be },
		{ "writes to decoded code are told",
		    writes_to_decoded_code_are_told },
		{ "code everywhere costs bounded memory",
		    code_everywhere_costs_bounded_memory },
#ifdef __x86_64__
		{ "a reader stopped anywhere sees one layout",
		    a_reader_stopped_anywhere_sees_one_layout },
#endif
		{ NULL, NULL }
	};

	return unit_run("guest memory", tests);
}
