/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load-kernels.c - kernels end where they belong, and bad ones are refused
 *
 * The option ROM's part is done here: the plan is carried out by fw_cfg's DMA
 * just as the ROM does it.
 */
#include "load.h"
#include "rig.h"

#include <unistd.h>

#include "support/unit.h"

enum { RAM = 64 << 20, AT = 0x1000 };

static struct board *board;
static struct mem *mem;
static struct bus *bus;
static struct fw_cfg *fw;
static struct load *l;
static struct error err;
static uint8_t file[64 * 1024];
static size_t file_len;
static uint8_t start[32];

static void begin(void)
{
	board = board_new(&err);
	mem = mem_new(board, RAM, &err);
	bus = bus_new(board, &err);
	fw = fw_cfg_new(bus, mem, &err);
	rig_must(fw, &err);
}

static void end(void)
{
	fw_cfg_free(fw);
	load_free(l);
	l = NULL;
	bus_free(bus);
	mem_free(mem);
	board_free(board);
}

static void save(const char *name, const void *data, size_t len)
{
	FILE *f = fopen(name, "wb");

	if (!f || fwrite(data, 1, len, f) != len || fclose(f))
		exit(1);
}

static bool try(const char *initrd, const char *append)
{
	const struct load_config c = { .kernel = "kernel", .initrd = initrd,
		.append = append };

	save("kernel", file, file_len);
	l = load_new(&c, mem, fw, &err);
	return l;
}

/* True: it is refused, with a text that has this in it. */
static bool refused(const char *initrd, const char *append, const char *text)
{
	bool ok;

	begin();
	ok = !try(initrd, append) && strstr(err.text, text);
	if (!ok)
		fprintf(stderr, "not '%s': %s\n", text, l ? "loaded" :
		    err.text);
	end();
	return ok;
}

static uint32_t dma(uint64_t at)
{
	be32 control;

	bus_out(bus, 0x514, 4, 0);
	bus_out(bus, 0x518, 4, htobe32(at));
	mem_read(mem, at, &control, sizeof(control));
	return be32_get(control);
}

/* The ROM's loop. */
static bool carry_out(void)
{
	static const uint8_t zeros[32];
	struct { be32 control, len; be64 to; } c;
	uint8_t piece[32];
	size_t done = 0;

	for (unsigned n = 0; n < 10000; n++) {
		size_t len = 32;

		be32_put(&c.control, (uint32_t)LOAD_PLAN << 16 | 0x0c);
		be32_put(&c.len, done);
		mem_write(mem, AT, &c, sizeof(c));
		if (dma(AT))
			return false;
		be32_put(&c.control, 2);
		be32_put(&c.len, len);
		be64_put(&c.to, AT + 0x100);
		mem_write(mem, AT, &c, sizeof(c));
		if (dma(AT))
			return false;
		done += len;
		mem_read(mem, AT + 0x100, piece, len);
		if (n == 0) {
			memcpy(start, piece, len);
			continue;
		}
		if (!memcmp(piece, zeros, len))
			return true;
		if (dma(AT + 0x100) || dma(AT + 0x110))
			return false;
	}
	return false;
}

static uint32_t get32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++, v >>= 8)
		p[i] = v;
}

static uint32_t guest32(uint64_t at)
{
	uint8_t b[4];

	mem_read(mem, at, b, 4);
	return get32(b);
}

/* --- Linux ------------------------------------------------------------------------------ */

enum { SETUP = 5 * 512, CODE = 10000 };

static void make_linux(void)
{
	memset(file, 0, sizeof(file));
	file_len = SETUP + CODE;
	file[0x1f1] = 4;
	put32(file + 0x1f4, (CODE + 15) / 16);
	file[0x1fe] = 0x55;
	file[0x1ff] = 0xaa;
	memcpy(file + 0x202, "HdrS", 4);
	file[0x206] = 0x0f;
	file[0x207] = 0x02;
	file[0x211] = 1;
	put32(file + 0x22c, 0x7fffffff);
	put32(file + 0x238, 255);
	put32(file + 0x258, 0x1000000);
	put32(file + 0x260, 0x800000);
	for (unsigned i = 0; i < CODE; i++)
		file[SETUP + i] = i * 7;
}

static void a_linux_kernel_is_loaded(void)
{
	static uint8_t disk[5000];
	uint8_t code[CODE], text[64];

	begin();
	make_linux();
	memset(disk, 0x5a, sizeof(disk));
	save("initrd", disk, sizeof(disk));
	CU_ASSERT_TRUE_FATAL(try("initrd", "root=/dev/vda vga=0x317 quiet"));
	CU_ASSERT_TRUE_FATAL(carry_out());
	CU_ASSERT_EQUAL(get32(start), LOAD_LINUX);
	CU_ASSERT_EQUAL(get32(start + 4), 0x10000);
	mem_read(mem, 0x100000, code, CODE);
	CU_ASSERT_EQUAL(memcmp(code, file + SETUP, CODE), 0);
	/* The protocol's fields, at 10000h + offset. */
	CU_ASSERT_EQUAL(guest32(0x10000 + 0x228), 0x20000);
	mem_read(mem, 0x20000, text, 30);
	CU_ASSERT_STRING_EQUAL((char *)text, "root=/dev/vda vga=0x317 quiet");
	CU_ASSERT_EQUAL(guest32(0x10000 + 0x1fa) & 0xffff, 0x317);
	CU_ASSERT_EQUAL(guest32(0x10000 + 0x210) & 0x81ff, 0x81ff);
	CU_ASSERT_EQUAL(guest32(0x10000 + 0x21c), sizeof(disk));
	CU_ASSERT_EQUAL(guest32(0x10000 + 0x218) % 4096, 0);
	/* Below what firmware keeps, above what the kernel uses. */
	CU_ASSERT(guest32(0x10000 + 0x218) + sizeof(disk) <= RAM - (1 << 20));
	CU_ASSERT(guest32(0x10000 + 0x218) >= 0x1800000);
	CU_ASSERT_EQUAL(guest32(guest32(0x10000 + 0x218) + 4996), 0x5a5a5a5a);
	/* After a reset the same again. */
	CU_ASSERT_TRUE(carry_out());
	end();
}

static void bad_linux_kernels_are_refused(void)
{
	char text[400];

	make_linux();
	file_len -= 100;
	CU_ASSERT(refused(NULL, NULL, "truncated"));
	file_len = SETUP;
	CU_ASSERT(refused(NULL, NULL, "truncated"));
	file_len = 0x264;
	CU_ASSERT(refused(NULL, NULL, "truncated"));
	file_len = 0x263;
	CU_ASSERT(refused(NULL, NULL, "neither"));
	file_len = 0;
	CU_ASSERT(refused(NULL, NULL, "neither"));
	make_linux();
	file[0x206] = 5;
	CU_ASSERT(refused(NULL, NULL, "2.05"));
	make_linux();
	file[0x211] = 0;
	CU_ASSERT(refused(NULL, NULL, "zImage"));
	make_linux();
	file[0x1f1] = 255;
	CU_ASSERT(refused(NULL, NULL, "set-up code"));
	make_linux();
	put32(file + 0x1f4, 0xffffffff);
	CU_ASSERT(refused(NULL, NULL, "truncated"));
	make_linux();
	put32(file + 0x260, 0xffffffff);
	CU_ASSERT(refused(NULL, NULL, "needs a machine of"));
	make_linux();
	memset(text, 'x', 256);
	text[256] = '\0';
	CU_ASSERT(refused(NULL, text, "255 characters"));
	make_linux();
	put32(file + 0x22c, 0x1000000);
	save("initrd", text, 100);
	CU_ASSERT(refused("initrd", NULL, "does not fit"));
	make_linux();
	CU_ASSERT(refused("no-such", NULL, "no-such"));
	CU_ASSERT(refused(".", NULL, "directory"));
	CU_ASSERT_EQUAL(truncate("initrd", 100 << 20), 0);
	CU_ASSERT(refused("initrd", NULL, "does not fit"));
	unlink("initrd");
}

/* --- Multiboot ---------------------------------------------------------------------------- */

enum { HEADER = 0x100, TEXT = 0x200, TEXT_LEN = 0x300, TEXT_MEM = 0x5000 };

static void put_header(uint32_t flags)
{
	put32(file + HEADER, 0x1badb002);
	put32(file + HEADER + 4, flags);
	put32(file + HEADER + 8, -(0x1badb002 + flags));
}

/* An ELF with one segment: at 1 MiB, its entry by virtual address. */
static void make_elf(void)
{
	static const uint8_t head[] = { 0x7f, 'E', 'L', 'F', 1, 1, 1 };

	memset(file, 0, sizeof(file));
	file_len = TEXT + TEXT_LEN;
	memcpy(file, head, sizeof(head));
	file[16] = 2;
	file[18] = 3;
	put32(file + 24, 0xc0100010);
	put32(file + 28, 52);
	file[42] = 32;
	file[44] = 1;
	put32(file + 52, 1);
	put32(file + 56, TEXT);
	put32(file + 60, 0xc0100000);
	put32(file + 64, 0x100000);
	put32(file + 68, TEXT_LEN);
	put32(file + 72, TEXT_MEM);
	put_header(3);
	memset(file + TEXT, 0x90, TEXT_LEN);
}

static void an_elf_kernel_is_loaded(void)
{
	uint8_t ones[TEXT_MEM], text[64];
	uint32_t modules;

	begin();
	make_elf();
	save("m1", "first", 5);
	save("m2", "second", 6);
	memset(ones, 0xff, sizeof(ones));
	mem_write(mem, 0x100000, ones, sizeof(ones));
	CU_ASSERT_TRUE_FATAL(try("m1 with words,m2", "a b"));
	CU_ASSERT_TRUE_FATAL(carry_out());
	CU_ASSERT_EQUAL(get32(start), LOAD_MULTIBOOT);
	CU_ASSERT_EQUAL(get32(start + 4), 0x100010);
	CU_ASSERT_EQUAL(get32(start + 8), 0x10000);
	mem_read(mem, 0x100000, ones, sizeof(ones));
	for (unsigned i = 0; i < TEXT_MEM; i++) {
		if (ones[i] != (i < TEXT_LEN ? 0x90 : 0)) {
			CU_FAIL("loaded, and zeros behind");
			break;
		}
	}
	CU_ASSERT_EQUAL(guest32(0x10000), 0x24d);
	mem_read(mem, guest32(0x10000 + 16), text, sizeof(text));
	CU_ASSERT_STRING_EQUAL((char *)text, "kernel a b");
	CU_ASSERT_EQUAL(guest32(0x10000 + 20), 2);
	modules = guest32(0x10000 + 24);
	CU_ASSERT_EQUAL(guest32(modules), 0x105000);
	CU_ASSERT_EQUAL(guest32(modules + 4), 0x105005);
	CU_ASSERT_EQUAL(guest32(modules + 16), 0x106000);
	mem_read(mem, guest32(modules + 8), text, sizeof(text));
	CU_ASSERT_STRING_EQUAL((char *)text, "m1 with words");
	mem_read(mem, 0x106000, text, 6);
	CU_ASSERT_EQUAL(memcmp(text, "second", 6), 0);
	end();
	unlink("m1");
	unlink("m2");
}

static void a_kernel_with_addresses_is_loaded(void)
{
	begin();
	make_elf();
	memset(file, 0, 52);
	put_header(0x10000);
	put32(file + HEADER + 12, 0x200100);	/* header */
	put32(file + HEADER + 16, 0x200080);	/* load: from file offset 80h */
	put32(file + HEADER + 20, 0x200000 + TEXT + 16);
	put32(file + HEADER + 24, 0x203000);
	put32(file + HEADER + 28, 0x200200);
	CU_ASSERT_TRUE_FATAL(try(NULL, NULL));
	CU_ASSERT_TRUE_FATAL(carry_out());
	CU_ASSERT_EQUAL(get32(start + 4), 0x200200);
	CU_ASSERT_EQUAL(guest32(0x200100), 0x1badb002);
	CU_ASSERT_EQUAL(guest32(0x200200), 0x90909090);
	CU_ASSERT_EQUAL(guest32(0x200210), 0);
	end();
}

static void bad_multiboot_kernels_are_refused(void)
{
	static const struct { unsigned at; uint32_t v; const char *text; }
	bad[] = {
		{ 28, 0xfffffff0, "program headers" },
		{ 56, 0xfffffff0, "truncated" },
		{ 68, 0xffffffff, "truncated" },
		{ 72, TEXT_LEN - 1, "bad size" },
		{ 72, 0xffffffff, "no free memory" },
		{ 64, 0xfffffff0, "no free memory" },
		{ 64, 0x10000, "no free memory" },
		{ 64, 0xa0000, "no free memory" },
		{ 64, RAM - 0x1000, "no free memory" },
		{ 24, 0xfff00000, "entry" },
		{ 52, 2, "nothing to be loaded" },
		{ 16, 0x00030001, "not supported" },
		{ 42, 0x00010021, "program headers" },
		{ 44, 0x0000ffff, "program headers" },
	};

	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		make_elf();
		put32(file + bad[i].at, bad[i].v);
		CU_ASSERT(refused(NULL, NULL, bad[i].text));
	}
	make_elf();
	put_header(0x80);
	CU_ASSERT(refused(NULL, NULL, "features"));
	make_elf();
	file[HEADER + 8] ^= 1;
	CU_ASSERT(refused(NULL, NULL, "neither"));
	make_elf();
	CU_ASSERT(refused("no-such words", NULL, "'no-such'"));
	make_elf();
	file_len = HEADER + 12;
	CU_ASSERT(refused(NULL, NULL, "truncated"));
	make_elf();
	memset(file, 0, 52);
	put_header(0x10000);
	put32(file + HEADER + 12, 0x200000);
	put32(file + HEADER + 16, 0x200080);
	CU_ASSERT(refused(NULL, NULL, "contradict"));
}

/* Whatever is in it: refused, or loaded to where RAM is free. */
static void changed_kernels_do_no_harm(void)
{
	uint32_t seed = 12345;
	unsigned loaded = 0;

	for (unsigned n = 0; n < 600; n++) {
		if (n % 2)
			make_elf();
		else
			make_linux();
		for (unsigned i = 0; i < 1 + n % 4; i++) {
			unsigned at;

			seed = seed * 1664525 + 1013904223;
			at = seed >> 8;
			at = n % 2 ? at % 160 : 0x1f0 + at % 0x80;
			file[at] = seed >> 24;
		}
		if (n % 7 == 0)
			file_len = seed % file_len;
		begin();
		if (try(NULL, "x")) {
			CU_ASSERT_TRUE(carry_out());
			loaded++;
		} else {
			CU_ASSERT(strlen(err.text) > 10);
		}
		end();
	}
	CU_ASSERT(loaded > 50);
	unlink("kernel");
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "a Linux kernel is loaded", a_linux_kernel_is_loaded },
		{ "bad Linux kernels are refused",
		    bad_linux_kernels_are_refused },
		{ "an ELF kernel is loaded", an_elf_kernel_is_loaded },
		{ "a kernel with addresses is loaded",
		    a_kernel_with_addresses_is_loaded },
		{ "bad multiboot kernels are refused",
		    bad_multiboot_kernels_are_refused },
		{ "changed kernels do no harm", changed_kernels_do_no_harm },
		{ NULL, NULL }
	};

	return unit_run("kernels", tests);
}
