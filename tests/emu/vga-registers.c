/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VGA: each group of registers, every way of reading and writing planes,
 * the VBE registers by both doors, what the window shows, and pictures
 * computed here from the same memory.
 */
#include <CUnit/Basic.h>

#include "dev/vga.h"
#include "rig.h"

enum { SLOT = 2, WINDOW = 0xa0000, TEXT = 0xb8000, BAR0 = 0xe0000000,
	BAR2 = 0xe1000000 };

static struct rig r;
static struct vga *vga;

static void out(unsigned port, unsigned v)
{
	rig_out(&r, port, 1, v);
}

static unsigned in(unsigned port)
{
	return rig_in(&r, port, 1);
}

/* Indexed registers, by one 16-bit access as software does it. */
static void set(unsigned port, unsigned i, unsigned v)
{
	rig_out(&r, port, 2, i | v << 8);
}

static unsigned get(unsigned port, unsigned i)
{
	out(port, i);
	return in(port + 1);
}

static void set_ar(unsigned i, unsigned v)
{
	in(0x3da);
	out(0x3c0, i);
	out(0x3c0, v);
}

static void show(void)
{
	in(0x3da);
	out(0x3c0, 0x20);
}

static void set_vbe(unsigned i, unsigned v)
{
	rig_out(&r, 0x1ce, 2, i);
	rig_out(&r, 0x1cf, 2, v);
}

static unsigned get_vbe(unsigned i)
{
	rig_out(&r, 0x1ce, 2, i);
	return rig_in(&r, 0x1d0, 2);
}

static void begin(void)
{
	struct vga_config c = { .slot = SLOT };
	struct error err;

	rig_init(&r);
	vga = vga_new(r.pci, r.mem, r.bus, r.board, &c, &err);
	rig_must(vga, &err);
	rig_config_set(&r, PCI_DEVFN(SLOT, 0), 0x10, 4, BAR0);
	rig_config_set(&r, PCI_DEVFN(SLOT, 0), 0x18, 4, BAR2);
	rig_config_set(&r, PCI_DEVFN(SLOT, 0), 4, 2, 3);
}

static void end(void)
{
	rig_fini(&r);
}

/* A grey ramp, so that colours tell their index. */
static void ramp(void)
{
	out(0x3c8, 0);
	for (unsigned i = 0; i < 256; i++)
		for (unsigned k = 0; k < 3; k++)
			out(0x3c9, k == 2 ? i & 0x3f : i >> 6);
	for (unsigned i = 0; i < 16; i++)
		set_ar(i, i);
}

static uint32_t ramp_colour(unsigned i)
{
	unsigned high = i >> 6, low = i & 0x3f;

	high = high << 2 | (high & 1) * 3;
	low = low << 2 | (low & 1) * 3;
	return high << 16 | high << 8 | low;
}

/* Timing and layout: columns clocks, lines lines of rows rows each. */
static void set_crtc(unsigned columns, unsigned lines, unsigned rows,
    unsigned mode, unsigned underline)
{
	set(0x3d4, 0x11, 0);		/* not protected */
	set(0x3d4, 0x00, columns + 15);
	set(0x3d4, 0x01, columns - 1);
	set(0x3d4, 0x06, 0xbf);
	set(0x3d4, 0x07, 0x1f & ~2);
	set(0x3d4, 0x12, (lines - 1) & 0xff);
	set(0x3d4, 0x07, 0x10 | ((lines - 1) >> 7 & 2));
	set(0x3d4, 0x09, 0x40 | (rows - 1));
	set(0x3d4, 0x0a, 0x20);
	set(0x3d4, 0x13, columns / 2);
	set(0x3d4, 0x14, underline);
	set(0x3d4, 0x17, mode);
	set(0x3d4, 0x18, 0xff);
	for (unsigned i = 0x0c; i < 0x10; i++)
		set(0x3d4, i, 0);
	set(0x3c4, 0, 3);
	set_ar(0x12, 0x0f);
	set_ar(0x13, 0);
	show();
}

static void test_identity(void)
{
	begin();
	CU_ASSERT_EQUAL(rig_config(&r, PCI_DEVFN(SLOT, 0), 0, 4), 0x11111234);
	CU_ASSERT_EQUAL(rig_config(&r, PCI_DEVFN(SLOT, 0), 8, 4), 0x03000002);
	/* BAR 0 is 16 MiB of prefetchable memory, BAR 2 a page. */
	rig_config_set(&r, PCI_DEVFN(SLOT, 0), 0x10, 4, ~0u);
	CU_ASSERT_EQUAL(rig_config(&r, PCI_DEVFN(SLOT, 0), 0x10, 4),
	    0xff000008);
	rig_config_set(&r, PCI_DEVFN(SLOT, 0), 0x18, 4, ~0u);
	CU_ASSERT_EQUAL(rig_config(&r, PCI_DEVFN(SLOT, 0), 0x18, 4),
	    0xfffff000);
	end();
}

static void test_registers_keep_the_bits_they_have(void)
{
	begin();
	set(0x3c4, 2, 0xff);
	CU_ASSERT_EQUAL(get(0x3c4, 2), 0x0f);
	set(0x3ce, 8, 0xa5);
	CU_ASSERT_EQUAL(get(0x3ce, 8), 0xa5);
	set(0x3ce, 5, 0xff);
	CU_ASSERT_EQUAL(get(0x3ce, 5), 0x7b);
	out(0x3ce, 12);		/* there is no such register */
	out(0x3cf, 0xff);
	CU_ASSERT_EQUAL(in(0x3cf), 0);
	set(0x3d4, 0x0f, 0x5a);
	CU_ASSERT_EQUAL(get(0x3d4, 0x0f), 0x5a);
	set(0x3d4, 0xf0, 0x5a);
	CU_ASSERT_EQUAL(get(0x3d4, 0xf0), 0);
	/* CR11 bit 7 protects 0 to 7, but for line compare's bit. */
	set(0x3d4, 0, 0x11);
	set(0x3d4, 7, 0);
	set(0x3d4, 0x11, 0x80);
	set(0x3d4, 0, 0x22);
	set(0x3d4, 7, 0xff);
	CU_ASSERT_EQUAL(get(0x3d4, 0), 0x11);
	CU_ASSERT_EQUAL(get(0x3d4, 7), 0x10);
	/* Index and data take turns at 3C0h; 3DAh begins with the index. */
	set_ar(0x10, 0xff);
	in(0x3da);
	out(0x3c0, 0x10);
	CU_ASSERT_EQUAL(in(0x3c1), 0xef);
	in(0x3da);
	out(0x3c0, 0x31);
	in(0x3da);
	CU_ASSERT_EQUAL(in(0x3c0), 0x31);
	/* Monochrome has its CRT controller at 3B4h. */
	CU_ASSERT_EQUAL(in(0x3b5), 0xff);
	out(0x3c2, 0x66);
	CU_ASSERT_EQUAL(in(0x3cc), 0x66);
	CU_ASSERT_EQUAL(get(0x3b4, 0x0f), 0x5a);
	CU_ASSERT_EQUAL(in(0x3d5), 0xff);
	end();
}

static void test_dac(void)
{
	begin();
	out(0x3c8, 7);
	for (unsigned i = 0; i < 6; i++)
		out(0x3c9, 0xc0 | (i + 1));
	CU_ASSERT_EQUAL(in(0x3c8), 9);
	CU_ASSERT_EQUAL(in(0x3c7), 0);
	out(0x3c7, 7);
	CU_ASSERT_EQUAL(in(0x3c7), 3);
	for (unsigned i = 0; i < 6; i++)
		CU_ASSERT_EQUAL(in(0x3c9), i + 1);	/* six bits */
	/* A colour of which two bytes are there is still the old one. */
	out(0x3c8, 7);
	out(0x3c9, 63);
	out(0x3c9, 63);
	out(0x3c7, 7);
	CU_ASSERT_EQUAL(in(0x3c9), 1);
	end();
}

static void planar(void)
{
	out(0x3c2, 0x67);
	set(0x3c4, 4, 0x06);
	set(0x3c4, 2, 0x0f);
	for (unsigned i = 0; i < 5; i++)
		set(0x3ce, i, 0);
	set(0x3ce, 5, 0);
	set(0x3ce, 6, 0x05);
	set(0x3ce, 7, 0x0f);
	set(0x3ce, 8, 0xff);
}

/* The four planes at an offset, plane 3 first. */
static uint32_t planes(unsigned off)
{
	uint32_t v = 0;

	for (unsigned p = 0; p < 4; p++) {
		set(0x3ce, 4, p);
		v |= (uint32_t)rig_peek(&r, WINDOW + off, 1) << 8 * p;
	}
	return v;
}

static void test_write_modes(void)
{
	begin();
	planar();
	for (unsigned p = 0; p < 4; p++) {
		set(0x3c4, 2, 1 << p);
		rig_poke(&r, WINDOW + 5, 1, 0x10 + p);
	}
	set(0x3c4, 2, 0x0f);
	CU_ASSERT_EQUAL(planes(5), 0x13121110);
	/* Mode 1 copies the latches. */
	rig_peek(&r, WINDOW + 5, 1);
	set(0x3ce, 5, 1);
	rig_poke(&r, WINDOW + 9, 1, 0xff);
	CU_ASSERT_EQUAL(planes(9), 0x13121110);
	/* Mode 2: bit p is plane p's byte; bit mask keeps the latches'. */
	set(0x3ce, 5, 2);
	set(0x3ce, 8, 0xf0);
	rig_peek(&r, WINDOW + 5, 1);
	rig_poke(&r, WINDOW + 5, 1, 0x05);
	CU_ASSERT_EQUAL(planes(5), 0x03f201f0);
	/* Mode 3: the byte, rotated, is one more mask for set/reset. */
	set(0x3ce, 5, 3);
	set(0x3ce, 8, 0xff);
	set(0x3ce, 0, 0x0a);
	set(0x3ce, 3, 4);
	rig_peek(&r, WINDOW + 100, 1);
	rig_poke(&r, WINDOW + 100, 1, 0x3c);
	CU_ASSERT_EQUAL(planes(100), 0xc300c300);
	/* Mode 0: rotation, logic with the latches, set/reset by plane. */
	set(0x3ce, 5, 0);
	set(0x3ce, 3, 4 | 3 << 3);	/* rotate by 4, exclusive or */
	set(0x3ce, 1, 0x03);
	rig_peek(&r, WINDOW + 100, 1);
	rig_poke(&r, WINDOW + 100, 1, 0xf0);
	CU_ASSERT_EQUAL(planes(100), 0xcc0f3c00);
	set(0x3ce, 3, 1 << 3);
	set(0x3ce, 1, 0);
	rig_peek(&r, WINDOW + 100, 1);
	rig_poke(&r, WINDOW + 100, 1, 0x0f);
	CU_ASSERT_EQUAL(planes(100), 0x0c0f0c00);
	/* Map mask: the others stay. */
	set(0x3ce, 3, 0);
	set(0x3c4, 2, 0x04);
	rig_poke(&r, WINDOW + 100, 1, 0x77);
	CU_ASSERT_EQUAL(planes(100), 0x0c770c00);
	end();
}

static void test_read_compare(void)
{
	begin();
	planar();
	for (unsigned p = 0; p < 4; p++) {
		set(0x3c4, 2, 1 << p);
		rig_poke(&r, WINDOW, 1, 0xf0 >> p);
	}
	/* Pixels from the left: 1, 3, 7, 15, 14, 12, 8, 0. */
	set(0x3ce, 5, 8);
	set(0x3ce, 2, 15);
	CU_ASSERT_EQUAL(rig_peek(&r, WINDOW, 1), 0x10);
	set(0x3ce, 2, 12);
	CU_ASSERT_EQUAL(rig_peek(&r, WINDOW, 1), 0x04);
	set(0x3ce, 7, 1);		/* plane 0 alone */
	CU_ASSERT_EQUAL(rig_peek(&r, WINDOW, 1), 0x0f);
	set(0x3ce, 7, 0);
	CU_ASSERT_EQUAL(rig_peek(&r, WINDOW, 1), 0xff);
	end();
}

static void text_mode(void)
{
	planar();
	set(0x3c4, 4, 0x02);
	set(0x3c4, 2, 0x03);
	set(0x3c4, 3, 0);
	set(0x3ce, 5, 0x10);
	set(0x3ce, 6, 0x0e);
}

static void test_windows(void)
{
	begin();
	text_mode();
	rig_poke(&r, TEXT, 4, 0x1f421e41);
	CU_ASSERT_EQUAL(rig_peek(&r, TEXT, 4), 0x1f421e41);
	CU_ASSERT_EQUAL(rig_peek(&r, WINDOW, 1), 0xff);	/* not there now */
	CU_ASSERT_EQUAL(rig_peek(&r, 0xb0000, 1), 0xff);
	/* Even bytes are plane 0's, odd ones plane 1's. */
	planar();
	CU_ASSERT_EQUAL(planes(0) & 0xffff, 0x1e41);
	CU_ASSERT_EQUAL(planes(2) & 0xffff, 0x1f42);
	CU_ASSERT_EQUAL(rig_peek(&r, TEXT, 1), 0xff);
	/* Without RAM enabled nothing is seen. */
	out(0x3c2, 0x65);
	CU_ASSERT_EQUAL(rig_peek(&r, WINDOW, 1), 0xff);
	end();
}

static void test_chain4_is_memory(void)
{
	uint8_t b[4] = { 1, 2, 3, 4 };

	begin();
	planar();
	CU_ASSERT_EQUAL(mem_page(r.mem, WINDOW).kind, MEM_IO);
	set(0x3c4, 4, 0x0e);
	CU_ASSERT_EQUAL(mem_page(r.mem, WINDOW).kind, MEM_RAM);
	CU_ASSERT(mem_write(r.mem, WINDOW + 320, b, 4));
	CU_ASSERT_EQUAL(rig_peek(&r, BAR0 + 320, 4), 0x04030201);
	/* A mask or another write mode, and functions answer again. */
	set(0x3c4, 2, 0x05);
	CU_ASSERT_EQUAL(mem_page(r.mem, WINDOW).kind, MEM_IO);
	rig_poke(&r, WINDOW + 320, 4, 0xa4a3a2a1);
	CU_ASSERT_EQUAL(rig_peek(&r, WINDOW + 320, 4), 0x04a302a1);
	set(0x3c4, 2, 0x0f);
	set(0x3ce, 5, 1);
	CU_ASSERT_EQUAL(mem_page(r.mem, WINDOW).kind, MEM_IO);
	set(0x3ce, 5, 0);
	set(0x3c4, 4, 0x06);
	CU_ASSERT_EQUAL(mem_page(r.mem, WINDOW).kind, MEM_IO);
	end();
}

static void test_vbe(void)
{
	begin();
	CU_ASSERT_EQUAL(get_vbe(0), 0xb0c5);
	set_vbe(0, 0xb0c2);
	CU_ASSERT_EQUAL(get_vbe(0), 0xb0c2);
	set_vbe(0, 0x1234);
	CU_ASSERT_EQUAL(get_vbe(0), 0xb0c2);
	CU_ASSERT_EQUAL(get_vbe(10), 256);
	set_vbe(4, 2);			/* what could be */
	CU_ASSERT(get_vbe(1) >= 1920 && get_vbe(2) >= 1080);
	CU_ASSERT_EQUAL(get_vbe(3), 32);
	set_vbe(4, 0);
	rig_poke(&r, BAR0, 4, 0x12345678);
	set_vbe(1, 800);
	set_vbe(2, 600);
	set_vbe(3, 17);			/* no depth */
	set_vbe(3, 16);
	set_vbe(4, 0x41);
	CU_ASSERT_EQUAL(rig_peek(&r, BAR0, 4), 0);	/* cleared */
	CU_ASSERT_EQUAL(get_vbe(6), 800);
	CU_ASSERT_EQUAL(get_vbe(7), 16 * 1024 * 1024 / 1600);
	set_vbe(1, 640);		/* not while it is on */
	CU_ASSERT_EQUAL(get_vbe(1), 800);
	/* The window is a bank of video memory. */
	set_vbe(5, 3);
	rig_poke(&r, WINDOW + 8, 2, 0xbeef);
	CU_ASSERT_EQUAL(rig_peek(&r, BAR0 + 3 * 65536 + 8, 2), 0xbeef);
	set_vbe(5, 0xffff);
	rig_poke(&r, WINDOW + 0xfffe, 2, 0xcafe);
	CU_ASSERT_EQUAL(rig_peek(&r, BAR0 + 0xfffffe, 2), 0xcafe);
	/* The same registers, and the VGA's, in BAR 2. */
	CU_ASSERT_EQUAL(rig_peek(&r, BAR2 + 0x502, 2), 800);
	rig_poke(&r, BAR2 + 0x508, 2, 0);
	CU_ASSERT_EQUAL(get_vbe(4), 0);
	rig_poke(&r, BAR2 + 0x404, 2, 0x0b02);
	CU_ASSERT_EQUAL(get(0x3c4, 2), 0x0b);
	CU_ASSERT_EQUAL(rig_peek(&r, BAR2 + 0x600, 4), 8);
	CU_ASSERT_EQUAL(rig_peek(&r, BAR2 + 0x604, 4), 0x1e1e1e1e);
	/* Eight-bit colours on and off leave the colour what it is. */
	out(0x3c8, 1);
	out(0x3c9, 0x3f);
	out(0x3c9, 0x20);
	out(0x3c9, 0x00);
	set_vbe(4, 0x20);
	out(0x3c7, 1);
	CU_ASSERT_EQUAL(in(0x3c9), 0xff);
	CU_ASSERT_EQUAL(in(0x3c9), 0x82);
	set_vbe(4, 0);
	out(0x3c7, 1);
	CU_ASSERT_EQUAL(in(0x3c9), 0x3f);
	CU_ASSERT_EQUAL(in(0x3c9), 0x20);
	end();
}

/* In time both values of each bit are seen, and retrace is the rarer. */
static void test_retrace(void)
{
	unsigned seen[2] = { 0, 0 }, total = 0;
	uint64_t until;

	begin();
	text_mode();
	set_crtc(80, 400, 16, 0xa3, 0x1f);
	until = board_now_ns(r.board) + 100 * 1000 * 1000;
	while (board_now_ns(r.board) < until) {
		unsigned v = in(0x3da);

		seen[0] += v & 1;
		seen[1] += v >> 3 & 1;
		total++;
		if (v & 8)
			CU_ASSERT(v & 1);
	}
	CU_ASSERT(seen[0] > 0 && seen[0] < total);
	CU_ASSERT(seen[1] > 0 && seen[1] < total / 2);
	end();
}

static void test_text_picture(void)
{
	static const uint8_t glyph[] = { 0x81, 0x42, 0xff, 0x01 };
	struct display_source s;
	struct picture p;
	unsigned wrong = 0;

	begin();
	planar();
	ramp();
	/* Character DAh, whose ninth dot repeats the eighth, and 41h. */
	set(0x3c4, 2, 0x04);
	for (unsigned i = 0; i < 4; i++) {
		rig_poke(&r, WINDOW + 0xda * 32 + i, 1, glyph[i]);
		rig_poke(&r, WINDOW + 0x41 * 32 + i, 1, glyph[i]);
	}
	text_mode();
	set_crtc(10, 8, 4, 0xa3, 0x1f);
	set_ar(0x10, 0x04);
	set_ar(0x13, 8);		/* with nine dots: no panning */
	show();
	for (unsigned i = 0; i < 20; i++)
		rig_poke(&r, TEXT + 2 * i, 2, i == 3 ? 0x2eda :
		    i == 11 ? 0x1c41 : 0x0700);
	s = vga_source(vga);
	CU_ASSERT_FATAL(s.picture(s.dev, &p));
	CU_ASSERT_EQUAL_FATAL(p.width, 90);
	CU_ASSERT_EQUAL_FATAL(p.height, 8);
	CU_ASSERT_EQUAL_FATAL(p.columns, 10);
	CU_ASSERT_EQUAL_FATAL(p.rows, 2);
	CU_ASSERT_EQUAL(p.cell[3], 0x2eda);
	CU_ASSERT_EQUAL(p.cell[11], 0x1c41);
	CU_ASSERT_EQUAL(p.cursor_row, 2);	/* off */
	for (unsigned y = 0; y < 8; y++) {
		for (unsigned x = 0; x < 90; x++) {
			unsigned cell = y / 4 * 10 + x / 9, dot = x % 9;
			unsigned bits = glyph[y % 4] << 1, want = 0;

			if (cell == 3)
				want = (bits | (bits >> 1 & 1)) << dot & 0x100 ?
				    0x0e : 0x02;
			if (cell == 11)
				want = bits << dot & 0x100 ? 0x0c : 0x01;
			wrong += p.pixel[y * 90 + x] != ramp_colour(want);
		}
	}
	CU_ASSERT_EQUAL(wrong, 0);
	/* Eight dots; the start address; a split at line 4. */
	set(0x3c4, 1, 1);
	set(0x3d4, 0x0d, 10);
	set(0x3d4, 0x18, 3);
	set(0x3d4, 0x07, 0);
	set(0x3d4, 0x09, 3);
	CU_ASSERT_FATAL(s.picture(s.dev, &p));
	CU_ASSERT_EQUAL_FATAL(p.width, 80);
	CU_ASSERT_EQUAL(p.cell[1], 0x1c41);
	CU_ASSERT_EQUAL(p.cell[10 + 3], 0x2eda);
	/* Off is off. */
	set(0x3c4, 1, 0x21);
	CU_ASSERT_FALSE(s.picture(s.dev, &p));
	end();
}

static void test_planar_picture(void)
{
	struct display_source s;
	struct picture p;
	unsigned wrong = 0;

	begin();
	planar();
	ramp();
	set_crtc(4, 8, 1, 0xe3, 0);
	set_ar(0x10, 0x01);
	show();
	for (unsigned p0 = 0; p0 < 4; p0++) {
		set(0x3c4, 2, 1 << p0);
		for (unsigned i = 0; i < 32; i++)
			rig_poke(&r, WINDOW + i, 1, (i * 37 + p0 * 101) & 0xff);
	}
	s = vga_source(vga);
	CU_ASSERT_FATAL(s.picture(s.dev, &p));
	CU_ASSERT_EQUAL_FATAL(p.width, 32);
	CU_ASSERT_EQUAL_FATAL(p.height, 8);
	CU_ASSERT_EQUAL(p.columns, 0);
	for (unsigned i = 0; i < 256; i++) {
		unsigned want = 0;

		for (unsigned k = 0; k < 4; k++)
			want |= ((i / 8 * 37 + k * 101) >> (7 - i % 8) & 1)
			    << k;
		wrong += p.pixel[i] != ramp_colour(want);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	end();
}

static void test_mode_13h_picture(void)
{
	struct display_source s;
	struct picture p;
	unsigned wrong = 0;

	begin();
	planar();
	ramp();
	set(0x3c4, 4, 0x0e);
	set(0x3ce, 5, 0x40);
	set_crtc(80, 400, 2, 0xa3, 0x40);
	set_ar(0x10, 0x41);
	show();
	for (unsigned i = 0; i < 64000; i += 4)
		rig_poke(&r, WINDOW + i, 4, ((i * 7) & 0xff) |
		    ((i * 7 + 7) & 0xff) << 8 | ((i * 7 + 14) & 0xff) << 16 |
		    (uint32_t)((i * 7 + 21) & 0xff) << 24);
	s = vga_source(vga);
	CU_ASSERT_FATAL(s.picture(s.dev, &p));
	CU_ASSERT_EQUAL_FATAL(p.width, 640);
	CU_ASSERT_EQUAL_FATAL(p.height, 400);
	for (unsigned y = 0; y < 400; y++)
		for (unsigned x = 0; x < 640; x++)
			wrong += p.pixel[y * 640 + x] !=
			    ramp_colour((y / 2 * 320 + x / 2) * 7 & 0xff);
	CU_ASSERT_EQUAL(wrong, 0);
	end();
}

static void test_vbe_pictures(void)
{
	static const struct { unsigned bpp, bytes; uint32_t value, want; }
	depth[] = {
		{ 8, 1, 0x2a, 0x0000a8 }, { 15, 2, 0x7c1f, 0xff00ff },
		{ 16, 2, 0x07e0, 0x00ff00 }, { 24, 3, 0x123456, 0x123456 },
		{ 32, 4, 0xff654321, 0x654321 },
	};
	struct display_source s;
	struct picture p;

	begin();
	ramp();
	set_ar(0x12, 0x0f);
	show();
	s = vga_source(vga);
	for (unsigned i = 0; i < 5; i++) {
		unsigned at = (5 * 128 + 17) * depth[i].bytes;

		set_vbe(4, 0);
		set_vbe(1, 64);
		set_vbe(2, 48);
		set_vbe(3, depth[i].bpp);
		set_vbe(4, 0x41);
		set_vbe(6, 128);	/* wider than shown */
		set_vbe(8, 8);
		set_vbe(9, 2);
		for (unsigned k = 0; k < depth[i].bytes; k++)
			rig_poke(&r, BAR0 + at + k, 1,
			    depth[i].value >> 8 * k);
		CU_ASSERT_FATAL(s.picture(s.dev, &p));
		CU_ASSERT_EQUAL_FATAL(p.width, 64);
		CU_ASSERT_EQUAL_FATAL(p.height, 48);
		CU_ASSERT_EQUAL(p.pixel[3 * 64 + 9], depth[i].want);
		CU_ASSERT_EQUAL(p.pixel[3 * 64 + 10], 0);
		/* Far beyond memory: black, and nothing is read there. */
		set_vbe(9, 0xffff);
		set_vbe(8, 0xffff);
		CU_ASSERT(s.picture(s.dev, &p));
	}
	set_vbe(4, 0);
	set_vbe(3, 4);
	set_vbe(4, 0x41);
	rig_poke(&r, BAR0 + 4 * (3 * 8 + 1), 4, 0x80008080);
	CU_ASSERT_FATAL(s.picture(s.dev, &p));
	CU_ASSERT_EQUAL(p.pixel[3 * 64 + 8], ramp_colour(0x0b));
	end();
}

int main(void)
{
	CU_pSuite suite;
	unsigned failed;

	CU_initialize_registry();
	suite = CU_add_suite("vga", NULL, NULL);
	CU_add_test(suite, "identity", test_identity);
	CU_add_test(suite, "registers", test_registers_keep_the_bits_they_have);
	CU_add_test(suite, "dac", test_dac);
	CU_add_test(suite, "write modes", test_write_modes);
	CU_add_test(suite, "read compare", test_read_compare);
	CU_add_test(suite, "windows", test_windows);
	CU_add_test(suite, "chain 4", test_chain4_is_memory);
	CU_add_test(suite, "vbe", test_vbe);
	CU_add_test(suite, "retrace", test_retrace);
	CU_add_test(suite, "text picture", test_text_picture);
	CU_add_test(suite, "planar picture", test_planar_picture);
	CU_add_test(suite, "mode 13h picture", test_mode_13h_picture);
	CU_add_test(suite, "vbe pictures", test_vbe_pictures);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed != 0;
}
