/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga_draw.c - the picture on the adapter's screen, when somebody looks
 *
 * A picture is made line by line as the CRT controller does it: a counter
 * that begins at the start address goes through memory a character clock at a
 * time; a row counter says which line of a character (or which repetition of
 * a graphics line) it is; at the line of "line compare" both begin again at
 * zero.  A character clock is eight or nine dots in all modes, so a picture
 * has the width a monitor would show: mode 13h is 640 by 400.
 *
 * What blinks does so by guest time, at the rates of a 60 Hz screen.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "dev/vga_regs.h"

#define FRAME_NS (NS_PER_S / 60)
enum { CURSOR_FRAMES = 16, BLINK_FRAMES = 32 };	/* on or off */

enum { CLOCKS_MAX = 256 + 1, DOTS_MAX = 9 };

static bool
make_room(struct vga *v, size_t pixels, size_t cells)
{
	if (pixels > v->pixels) {
		free(v->pixel);
		v->pixel = malloc(pixels * sizeof(*v->pixel));
		v->pixels = v->pixel ? pixels : 0;
	}
	if (cells > v->cells) {
		free(v->cell);
		v->cell = malloc(cells * sizeof(*v->cell));
		v->cells = v->cell ? cells : 0;
	}
	return v->pixels >= pixels && v->cells >= cells;
}

/* --- Colours ------------------------------------------------------------- */

/* Six bits as eight: as the peer does it, so that pictures are equal. */
static uint32_t
dac_wide(uint8_t c)
{
	return c << 2 | (c & 1) * 3;
}

static uint32_t
dac_colour(const struct vga *v, uint8_t i)
{
	const uint8_t *c = v->dac[i & v->dac_mask];

	if (v->vbe[VBE_ENABLE] & VBE_8BIT_DAC)
		return (uint32_t)c[0] << 16 | c[1] << 8 | c[2];
	return dac_wide(c[0]) << 16 | dac_wide(c[1]) << 8 | dac_wide(c[2]);
}

/* Attribute controller: 4 bits by the palette to 8. */
static void
palette16(const struct vga *v, uint32_t colour[16])
{
	for (unsigned i = 0; i < 16; i++) {
		uint8_t c = v->ar[i & v->ar[AR_PLANES]];

		if (v->ar[AR_MODE] & AR10_SELECT)
			c = (c & 0x0f) | (v->ar[AR_SELECT] & 3) << 4;
		c |= (v->ar[AR_SELECT] & 0x0c) << 4;
		colour[i] = dac_colour(v, c);
	}
}

static void
palette256(const struct vga *v, uint32_t colour[256])
{
	for (unsigned i = 0; i < 256; i++)
		colour[i] = dac_colour(v, i);
}

/* --- The CRT controller -------------------------------------------------- */

struct scan {
	const struct vga *v;
	unsigned clocks, dots;	/* character clocks a line, dots a clock */
	unsigned lines;
	unsigned wide;		/* a dot is one pixel wide, or two */
	unsigned char_rows;	/* lines of a character */
	bool twice;		/* each line is shown twice */
	unsigned compare;	/* after this line it begins again */
	unsigned cursor;	/* counter at the cursor; ~0: not shown */
	bool blink_off;		/* what blinks is not seen now */
	uint32_t colour[256];

	/* as it goes */
	unsigned counter;	/* at the line's beginning */
	unsigned row, pan;
	bool again;		/* the second time */
	bool split;		/* below line compare */
};

static bool
is_off(const struct vga *v, unsigned frames)
{
	return board_now_ns(v->board) / (frames * FRAME_NS) & 1;
}

static void
scan_begin(struct scan *s, const struct vga *v)
{
	const uint8_t *cr = v->cr;

	*s = (struct scan){
		.v = v,
		.clocks = cr[CR_H_END] + 1u,
		.dots = v->sr[SR_CLOCKING] & SR1_EIGHT_DOTS ||
		    v->gr[GR_MISC] & GR6_GRAPHICS ? 8 : 9,
		.lines = vga_v_end(v) + 1,
		.wide = v->sr[SR_CLOCKING] & SR1_HALF_CLOCK ? 2 : 1,
		.char_rows = (cr[CR_MAX_SCAN] & 0x1f) + 1u,
		.twice = cr[CR_MAX_SCAN] & 0x80,
		.compare = cr[CR_LINE_COMPARE] |
		    (cr[CR_OVERFLOW] & 0x10) << 4 |
		    (cr[CR_MAX_SCAN] & 0x40) << 3,
		.cursor = cr[CR_CURSOR] << 8 | cr[CR_CURSOR + 1],
		.blink_off = is_off(v, BLINK_FRAMES),
		.counter = (cr[CR_START] << 8 | cr[CR_START + 1]) +
		    (cr[CR_PRESET] >> 5 & 3),
		.row = cr[CR_PRESET] & 0x1f,
		.pan = v->ar[AR_PAN] & 15,
	};
	if (cr[CR_CURSOR_START] & 0x20 || is_off(v, CURSOR_FRAMES))
		s->cursor = UINT32_MAX;
	/* With nine dots 8 is none and 0 is one (AR13). */
	if (s->dots == 9)
		s->pan = s->pan >= 8 ? 0 : s->pan + 1;
	else
		s->pan &= 7;
}

/* After a line. */
static void
scan_next(struct scan *s, unsigned line)
{
	const struct vga *v = s->v;

	if (line == s->compare) {
		s->counter = s->row = 0;
		s->again = false;
		s->split = true;
		if (v->ar[AR_MODE] & AR10_PAN_SPLIT)
			s->pan = 0;
		return;
	}
	if (s->twice) {
		s->again = !s->again;
		if (s->again)
			return;
	}
	/* The row counter has five bits and is compared, not bounded. */
	if (s->row == s->char_rows - 1) {
		s->row = 0;
		s->counter += v->cr[CR_OFFSET] * 2u;
	} else {
		s->row = (s->row + 1) & 0x1f;
	}
}

/* Where the counter points to in vram: byte, word or doubleword addresses, and
 * the two bits that may come from the row counter (CR14, CR17). */
static unsigned
address(const struct scan *s, unsigned counter)
{
	uint8_t mode = s->v->cr[CR_MODE];
	unsigned a = counter & 0xffff;

	/* Doublewords are what chain 4 writes: vga_memory.c. */
	if (!(s->v->cr[CR_UNDERLINE] & CR14_DOUBLEWORD) &&
	    !(mode & CR17_BYTE))
		a = (a << 1 | (mode & CR17_WRAP ? a >> 15 : a >> 13 & 1)) &
		    0xffff;
	if (!(mode & CR17_ROW0))
		a = (a & ~0x2000u) | (s->row & 1) << 13;
	if (!(mode & CR17_ROW1))
		a = (a & ~0x4000u) | (s->row & 2) << 13;
	return a * 4;
}

/* --- Text ---------------------------------------------------------------- */

/* Where SR3's three bits put a font in plane 2. */
static unsigned
font_at(unsigned three)
{
	return (three & 3) << 14 | (three & 4) << 11;
}

static void
text_line(const struct scan *s, uint32_t *out)
{
	const struct vga *v = s->v;
	uint8_t sr3 = v->sr[SR_FONT], mode = v->ar[AR_MODE];
	unsigned font[2] = { font_at((sr3 & 3) | (sr3 >> 2 & 4)),
		font_at((sr3 >> 2 & 3) | (sr3 >> 3 & 4)) };
	bool on_cursor = s->row >= (v->cr[CR_CURSOR_START] & 0x1f) &&
	    s->row <= (v->cr[CR_CURSOR_END] & 0x1f);

	for (unsigned c = 0; c <= s->clocks; c++) {
		unsigned counter = s->counter + c;
		const uint8_t *cell = v->vram + address(s, counter);
		uint8_t code = cell[0], attr = cell[1];
		unsigned fg = attr & 15, bg = attr >> 4;
		unsigned bits = v->vram[(font[attr >> 3 & 1] + code * 32u +
		    s->row) * 4 + 2] << 1;

		if (mode & AR10_NINTH && code >= 0xc0 && code <= 0xdf)
			bits |= bits >> 1 & 1;
		if ((attr & 0x77) == 1 &&
		    s->row == (v->cr[CR_UNDERLINE] & 0x1f))
			bits = 0x1ff;
		if (mode & AR10_BLINK) {
			bg &= 7;
			if (attr & 0x80 && s->blink_off)
				bits = 0;
		}
		if (on_cursor && (counter & 0xffff) == s->cursor)
			bits = 0x1ff;
		for (unsigned d = 0; d < s->dots; d++)
			*out++ = s->colour[bits << d & 0x100 ? fg : bg];
	}
}

/* The characters of a row, when it begins. */
static void
text_cells(const struct scan *s, uint16_t *cell)
{
	for (unsigned c = 0; c < s->clocks; c++) {
		const uint8_t *at = s->v->vram + address(s, s->counter + c);

		cell[c] = at[0] | at[1] << 8;
	}
}

/* --- Graphics ------------------------------------------------------------ */

/* A bit of each plane is a pixel. */
static void
planar_clock(const struct scan *s, const uint8_t *at, uint32_t *out)
{
	for (unsigned d = 0; d < 8; d++) {
		unsigned n = (at[0] << d & 0x80) >> 7 |
		    (at[1] << d & 0x80) >> 6 | (at[2] << d & 0x80) >> 5 |
		    (at[3] << d & 0x80) >> 4;

		out[d] = s->colour[n];
	}
}

/* Two bits of a byte are a pixel: planes 0 and 2 first, then 1 and 3 (GR5). */
static void
cga_clock(const struct scan *s, const uint8_t *at, uint32_t *out)
{
	for (unsigned d = 0; d < 8; d++) {
		const uint8_t *pair = at + d / 4;
		unsigned shift = 6 - d % 4 * 2;

		out[d] = s->colour[(pair[0] >> shift & 3) |
		    (pair[2] >> shift & 3) << 2];
	}
}

/* Four bytes are four pixels, each two dots wide. */
static void
packed_clock(const struct scan *s, const uint8_t *at, uint32_t *out)
{
	for (unsigned d = 0; d < 8; d++)
		out[d] = s->colour[at[d / 2]];
}

static void
graphics_line(const struct scan *s, uint32_t *out)
{
	const struct vga *v = s->v;

	for (unsigned c = 0; c <= s->clocks; c++, out += 8) {
		const uint8_t *at = v->vram + address(s, s->counter + c);

		if (v->gr[GR_MODE] & GR5_256)
			packed_clock(s, at, out);
		else if (v->gr[GR_MODE] & GR5_CGA)
			cga_clock(s, at, out);
		else
			planar_clock(s, at, out);
	}
}

/* --- VGA modes ----------------------------------------------------------- */

static void
place_cursor(const struct scan *s, unsigned start, struct picture *p)
{
	const uint8_t *cr = s->v->cr;
	unsigned pitch = cr[CR_OFFSET] * 2u;
	unsigned at = cr[CR_CURSOR] << 8 | cr[CR_CURSOR + 1];

	p->cursor_row = p->rows;
	if (cr[CR_CURSOR_START] & 0x20 || !pitch || at < start ||
	    (at - start) % pitch >= p->columns)
		return;
	p->cursor_column = (at - start) % pitch;
	p->cursor_row = (at - start) / pitch;
}

static void
copy_line(const struct scan *s, uint32_t *to, const uint32_t *dots)
{
	unsigned n = s->clocks * s->dots;

	if (s->wide == 1) {
		memcpy(to, dots, n * sizeof(*to));
		return;
	}
	for (unsigned i = 0; i < n; i++)
		to[2 * i] = to[2 * i + 1] = dots[i];
}

static bool
draw_vga(struct vga *v, struct picture *p)
{
	bool text = !(v->gr[GR_MISC] & GR6_GRAPHICS);
	uint32_t dots[CLOCKS_MAX * DOTS_MAX];
	unsigned start, row = 0;
	struct scan s;

	scan_begin(&s, v);
	start = s.counter;
	p->width = s.clocks * s.dots * s.wide;
	p->height = s.lines;
	if (text) {
		p->columns = s.clocks;
		p->rows = s.lines / (s.char_rows << s.twice);
	}
	if (!make_room(v, (size_t)p->width * p->height,
	    (size_t)p->columns * p->rows))
		return false;
	if (v->gr[GR_MODE] & GR5_256 && !text)
		palette256(v, s.colour);
	else
		palette16(v, s.colour);
	for (unsigned y = 0; y < s.lines; y++) {
		if (text && row < p->rows && !s.again &&
		    (s.row == 0 || y == 0))
			text_cells(&s, v->cell + row++ * p->columns);
		if (text)
			text_line(&s, dots);
		else
			graphics_line(&s, dots);
		copy_line(&s, v->pixel + (size_t)y * p->width, dots + s.pan);
		scan_next(&s, y);
	}
	/* Rows that a split left without characters. */
	if (row < p->rows)
		memset(v->cell + (size_t)row * p->columns, 0,
		    (size_t)(p->rows - row) * p->columns * sizeof(*v->cell));
	place_cursor(&s, start, p);
	p->pixel = v->pixel;
	p->cell = text ? v->cell : NULL;
	return true;
}

/* --- VBE modes ----------------------------------------------------------- */

static uint32_t
widen(unsigned v, unsigned bits)
{
	return bits == 5 ? v << 3 | v >> 2 : v << 2 | v >> 4;
}

static void
vbe_line(const uint8_t *from, unsigned bpp, const uint32_t *colour,
    uint32_t *to, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint16_t w;

		switch (bpp) {
		case 8:
			to[i] = colour[from[i]];
			break;
		case 15:
			w = from[2 * i] | from[2 * i + 1] << 8;
			to[i] = widen(w >> 10 & 31, 5) << 16 |
			    widen(w >> 5 & 31, 5) << 8 | widen(w & 31, 5);
			break;
		case 16:
			w = from[2 * i] | from[2 * i + 1] << 8;
			to[i] = widen(w >> 11, 5) << 16 |
			    widen(w >> 5 & 63, 6) << 8 | widen(w & 31, 5);
			break;
		case 24:
			to[i] = (uint32_t)from[3 * i + 2] << 16 |
			    from[3 * i + 1] << 8 | from[3 * i];
			break;
		case 32:
			to[i] = (uint32_t)from[4 * i + 2] << 16 |
			    from[4 * i + 1] << 8 | from[4 * i];
			break;
		}
	}
}

/* Lines that do not lie in memory as a whole are black. */
static bool
draw_vbe(struct vga *v, struct picture *p)
{
	unsigned bpp = v->vbe[VBE_BPP], size = (bpp + 7) / 8;
	uint64_t pitch = vbe_pitch(v), at;
	struct scan s = { .v = v };
	uint32_t colour[256];

	p->width = v->vbe[VBE_XRES];
	p->height = v->vbe[VBE_YRES];
	if (!make_room(v, (size_t)p->width * p->height, 0))
		return false;
	if (bpp == 4)
		palette16(v, s.colour);
	else
		palette256(v, colour);
	for (unsigned y = 0; y < p->height; y++) {
		uint32_t *to = v->pixel + (size_t)y * p->width;

		if (bpp == 4) {
			at = 4 * ((y + v->vbe[VBE_Y_OFFSET]) * pitch +
			    v->vbe[VBE_X_OFFSET] / 8);
			if (at + p->width / 2 > VGA_VRAM) {
				memset(to, 0, p->width * sizeof(*to));
				continue;
			}
			for (unsigned c = 0; c < p->width / 8; c++)
				planar_clock(&s, v->vram + at + 4 * c,
				    to + 8 * c);
			continue;
		}
		at = (y + v->vbe[VBE_Y_OFFSET]) * pitch +
		    (uint64_t)v->vbe[VBE_X_OFFSET] * size;
		if (at + (uint64_t)p->width * size > VGA_VRAM)
			memset(to, 0, p->width * sizeof(*to));
		else
			vbe_line(v->vram + at, bpp, colour, to, p->width);
	}
	p->pixel = v->pixel;
	return true;
}

/* --- Either -------------------------------------------------------------- */

bool
vga_picture(void *dev, struct picture *p)
{
	struct vga *v = dev;

	*p = (struct picture){ 0 };
	if (!(v->ar_index & AR_SHOW) || v->sr[SR_CLOCKING] & SR1_SCREEN_OFF)
		return false;
	if (vbe_on(v))
		return draw_vbe(v, p);
	if (!(v->cr[CR_MODE] & CR17_SYNC) || (v->sr[SR_RESET] & 3) != 3)
		return false;
	return draw_vga(v, p);
}
