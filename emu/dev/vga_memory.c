/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga_memory.c - what processors see at A0000h to BFFFFh
 *
 * Every access passes the graphics controller: latches, rotation, logic, masks.
 * Where its registers let bytes pass unchanged (mode 13h, VBE banks) the
 * window is shown as plain memory and costs no exit; it is functions again as
 * soon as a register says otherwise.
 *
 * Chain 4 puts byte a of the window in plane a % 4 at a / 4, as super VGAs do
 * (IBM's leaves three of four bytes of a plane unused): only programs that
 * look at the same bytes in both ways can tell.
 */
#include <string.h>

#include "base/bytes.h"
#include "dev/vga_regs.h"

/* Where GR6 puts the window, from A0000h on. */
static const struct { uint32_t at, len; } maps[4] = {
	{ 0, 0x20000 }, { 0, 0x10000 }, { 0x10000, 0x8000 },
	{ 0x18000, 0x8000 },
};

/* Address a of the 128 KiB as offset in the window; false: not in it. */
static bool
enter(const struct vga *v, uint64_t *a)
{
	unsigned map = vbe_on(v) ? 1 : v->gr[GR_MISC] >> 2 & 3;

	if (!(v->misc & MISC_RAM) && !vbe_on(v))
		return false;
	if (*a < maps[map].at || *a - maps[map].at >= maps[map].len)
		return false;
	*a -= maps[map].at;
	return true;
}

/* Offset in a plane as offset in vram; with 4 bpp the bank counts. */
static uint32_t
plane_at(const struct vga *v, uint32_t o)
{
	o &= VGA_BANK - 1;
	if (vbe_on(v))
		o += v->vbe[VBE_BANK] * VGA_BANK;
	return o * 4 & (VGA_VRAM - 1);
}

static uint32_t
linear_at(const struct vga *v, uint32_t a)
{
	return (a + (vbe_on(v) ? v->vbe[VBE_BANK] * VGA_BANK : 0)) &
	    (VGA_VRAM - 1);
}

static bool
is_chained(const struct vga *v)
{
	return v->sr[SR_MEMORY] & SR4_CHAIN4 && !vbe_on(v);
}

/* --- Reading ------------------------------------------------------------- */

/* GR2, GR7: a bit for each pixel whose colour is the one looked for. */
static uint8_t
compare(const struct vga *v)
{
	uint8_t same = 0xff;

	for (unsigned p = 0; p < 4; p++) {
		uint8_t want = v->gr[GR_COMPARE] >> p & 1 ? 0xff : 0;

		if (v->gr[GR_CARE] >> p & 1)
			same &= ~(v->latch[p] ^ want);
	}
	return same;
}

static uint64_t
window_read(void *dev, uint64_t a, unsigned size)
{
	struct vga *v = dev;
	unsigned plane = v->gr[GR_READ_MAP];
	uint32_t at;

	if (!enter(v, &a))
		return 0xff;
	if (vbe_linear(v))
		return v->vram[linear_at(v, a)];
	if (is_chained(v)) {
		plane = a & 3;
		at = linear_at(v, a) & ~3u;
	} else if (v->gr[GR_MODE] & GR5_ODD_EVEN) {
		plane = (plane & 2) | (a & 1);
		at = plane_at(v, a & ~1u);
	} else {
		at = plane_at(v, a);
	}
	memcpy(v->latch, v->vram + at, 4);
	return v->gr[GR_MODE] & GR5_READ_COMPARE ? compare(v) :
	    v->latch[plane];
}

/* --- Writing ------------------------------------------------------------- */

static uint8_t
logic(const struct vga *v, uint8_t b, uint8_t latch)
{
	switch (v->gr[GR_ROTATE] >> 3) {
	case 1:
		return b & latch;
	case 2:
		return b | latch;
	case 3:
		return b ^ latch;
	}
	return b;
}

static uint8_t
expand(uint8_t bits, unsigned plane)
{
	return bits >> plane & 1 ? 0xff : 0;
}

/* One byte to the planes of the mask, in the write mode of GR5. */
static void
write_planes(struct vga *v, uint32_t at, uint8_t planes, uint8_t b)
{
	unsigned mode = v->gr[GR_MODE] & 3, turn = v->gr[GR_ROTATE] & 7;
	uint8_t rotated = b >> turn | b << (8 - turn);
	uint8_t mask = v->gr[GR_BIT_MASK];

	if (mode == 3)
		mask &= rotated;
	for (unsigned p = 0; p < 4; p++) {
		uint8_t latch = v->latch[p], out = 0;

		if (!(planes >> p & 1))
			continue;
		switch (mode) {
		case 0:
			out = v->gr[GR_SET_ENABLE] >> p & 1 ?
			    expand(v->gr[GR_SET], p) : rotated;
			break;
		case 1:
			v->vram[at + p] = latch;
			continue;
		case 2:
			out = expand(b, p);
			break;
		case 3:
			out = expand(v->gr[GR_SET], p);
			break;
		}
		out = logic(v, out, latch);
		v->vram[at + p] = (out & mask) | (latch & ~mask);
	}
}

static void
window_write(void *dev, uint64_t a, unsigned size, uint64_t value)
{
	struct vga *v = dev;
	uint8_t planes = v->sr[SR_MAP_MASK];

	if (!enter(v, &a))
		return;
	if (vbe_linear(v))
		v->vram[linear_at(v, a)] = value;
	else if (is_chained(v))
		write_planes(v, linear_at(v, a) & ~3u,
		    planes & 1 << (a & 3), value);
	else if (!(v->sr[SR_MEMORY] & SR4_NO_ODD_EVEN))
		write_planes(v, plane_at(v, a & ~1u),
		    planes & (a & 1 ? 0x0a : 0x05), value);
	else
		write_planes(v, plane_at(v, a), planes, value);
}

const struct io_ops vga_window_ops = {
	.read = window_read,
	.write = window_write,
	.max = 1,
};

/* --- As plain memory ----------------------------------------------------- */

static bool
passes_unchanged(const struct vga *v)
{
	return v->sr[SR_MAP_MASK] == 0x0f && !v->gr[GR_SET_ENABLE] &&
	    !v->gr[GR_ROTATE] && v->gr[GR_BIT_MASK] == 0xff &&
	    !(v->gr[GR_MODE] & (3 | GR5_READ_COMPARE)) && v->misc & MISC_RAM;
}

void
vga_window_update(struct vga *v)
{
	unsigned map = v->gr[GR_MISC] >> 2 & 3;
	uint64_t at = VGA_WINDOW, len = 0;
	uint8_t *host = v->vram;

	if (vbe_linear(v)) {
		host += linear_at(v, 0);
		len = VGA_BANK;
	} else if (is_chained(v) && passes_unchanged(v)) {
		at += maps[map].at;
		len = maps[map].len;
	}
	if (len == v->direct_len && (!len || (at == v->direct_at &&
	    host == v->direct_host)))
		return;
	mem_remove(v->direct);
	v->direct = NULL;
	/* Without memory for it the functions answer. */
	if (len)
		v->direct = mem_add_ram(v->mem, at, len, MEM_RAM, host,
		    "vga-direct");
	v->direct_at = at;
	v->direct_len = v->direct ? len : 0;
	v->direct_host = host;
}
