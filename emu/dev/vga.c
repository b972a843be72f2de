/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga.c - the registers of a VGA, ports 3B0h to 3DFh
 *
 * Registers are kept as they are written; drawing and the memory window look
 * at them when they are asked.  The one that must move by itself is the
 * retrace bit, which is worked out from guest time and the CRT controller's
 * totals as a monitor would see it.
 *
 * IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem".
 */
#include <string.h>

#include "base/bytes.h"
#include "dev/vga_regs.h"

/* Bits that exist. */
static const uint8_t sr_bits[SR_N] = {
	0x03, 0x3d, 0x0f, 0x3f, 0x0e, 0x00, 0x00, 0xff,
};
static const uint8_t gr_bits[GR_N] = {
	0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff,
};
static const uint8_t ar_bits[AR_N] = {
	0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
	0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
	0xef, 0xff, 0x3f, 0x0f, 0x0f,
};

/* --- Input status register 1 --------------------------------------------- */

enum { STATUS_NO_DISPLAY = 0x01, STATUS_RETRACE = 0x08 };

/* In VBE modes the CRT controller's values are not the monitor's. */
static uint8_t
status_vbe(uint64_t now)
{
	const uint64_t frame = NS_PER_S / 60;

	return now % frame < frame / 16 ?
	    STATUS_NO_DISPLAY | STATUS_RETRACE : 0;
}

static uint8_t
status(const struct vga *v)
{
	const uint8_t *cr = v->cr;
	uint64_t now = board_now_ns(v->board), t;
	unsigned dots = v->sr[SR_CLOCKING] & SR1_EIGHT_DOTS ? 8 : 9;
	unsigned h_total = cr[CR_H_TOTAL] + 5u, h_end = cr[CR_H_END] + 1u;
	unsigned v_total = (cr[CR_V_TOTAL] | (cr[CR_OVERFLOW] & 0x01) << 8 |
	    (cr[CR_OVERFLOW] & 0x20) << 4) + 2;
	unsigned sync = cr[CR_V_SYNC] | (cr[CR_OVERFLOW] & 0x04) << 6 |
	    (cr[CR_OVERFLOW] & 0x80) << 2;
	unsigned len = (cr[CR_V_SYNC_END] - sync) & 15, line, end;
	uint64_t hz = v->misc & 0x04 ? 28322000 : 25175000, line_ns;
	uint8_t s = 0;

	if (vbe_on(v))
		return status_vbe(now);
	if (v->sr[SR_CLOCKING] & SR1_HALF_CLOCK)
		hz /= 2;
	line_ns = h_total * dots * NS_PER_S / hz;
	t = now % (line_ns * v_total);
	line = (unsigned)(t / line_ns);
	end = vga_v_end(v);
	/* Values without a retrace would have guests wait for ever. */
	if (sync >= v_total || end + 1 >= v_total) {
		sync = v_total - 2;
		end = v_total - 3;
		len = 2;
	}
	if (line > end || t % line_ns * h_total >= h_end * line_ns)
		s |= STATUS_NO_DISPLAY;
	if (line >= sync && line < sync + (len ? len : 16))
		s |= STATUS_NO_DISPLAY | STATUS_RETRACE;
	return s;
}

/* --- DAC ----------------------------------------------------------------- */

enum { DAC_READING = 3, DAC_WRITING = 0 };

static uint8_t
dac_get(struct vga *v)
{
	uint8_t b = v->dac[v->dac_read][v->dac_step];

	if (++v->dac_step == 3) {
		v->dac_step = 0;
		v->dac_read++;
	}
	return b;
}

/* A colour changes when all of it is there. */
static void
dac_put(struct vga *v, uint8_t b)
{
	bool wide = v->vbe[VBE_ENABLE] & VBE_8BIT_DAC;

	v->dac_new[v->dac_step] = wide ? b : b & 0x3f;
	if (++v->dac_step == 3) {
		v->dac_step = 0;
		memcpy(v->dac[v->dac_write++], v->dac_new, 3);
	}
}

/* --- CRT controller ------------------------------------------------------ */

static void
cr_write(struct vga *v, unsigned i, uint8_t b)
{
	if (i >= CR_N)
		return;
	if (i <= CR_OVERFLOW && v->cr[CR_V_SYNC_END] & CR11_PROTECT) {
		/* But for line compare's bit 8. */
		if (i == CR_OVERFLOW)
			v->cr[i] = (v->cr[i] & ~0x10) | (b & 0x10);
		return;
	}
	v->cr[i] = b;
}

/* --- Ports --------------------------------------------------------------- */

/* 3Bxh in monochrome modes, 3Dxh in colour: the other place is empty. */
static bool
is_elsewhere(const struct vga *v, unsigned port)
{
	unsigned group = v->misc & MISC_COLOUR ? 0x3b0 : 0x3d0;

	return (port & 0x3f0) == group;
}

uint8_t
vga_port_read(struct vga *v, unsigned port)
{
	if (is_elsewhere(v, port))
		return 0xff;
	switch (port) {
	case 0x3c0:
		return v->ar_data ? v->ar[min64(v->ar_index & 0x1f, AR_N - 1)] :
		    v->ar_index;
	case 0x3c1:
		return (v->ar_index & 0x1f) < AR_N ?
		    v->ar[v->ar_index & 0x1f] : 0;
	case 0x3c2:		/* input status 0: a monitor is there */
		return 0x10;
	case 0x3c3:		/* video subsystem enable */
		return 1;
	case 0x3c4:
		return v->sr_index;
	case 0x3c5:
		return v->sr[v->sr_index];
	case 0x3c6:
		return v->dac_mask;
	case 0x3c7:
		return v->dac_state;
	case 0x3c8:
		return v->dac_write;
	case 0x3c9:
		return dac_get(v);
	case 0x3ca:
		return v->feature;
	case 0x3cc:
		return v->misc;
	case 0x3ce:
		return v->gr_index;
	case 0x3cf:
		return v->gr_index < GR_N ? v->gr[v->gr_index] : 0;
	case 0x3b4:
	case 0x3d4:
		return v->cr_index;
	case 0x3b5:
	case 0x3d5:
		return v->cr_index < CR_N ? v->cr[v->cr_index] : 0;
	case 0x3ba:
	case 0x3da:
		v->ar_data = false;
		return status(v);
	}
	return 0xff;
}

static void
ar_write(struct vga *v, uint8_t b)
{
	unsigned i = v->ar_index & 0x1f;

	if (!v->ar_data)
		v->ar_index = b & 0x3f;
	else if (i < AR_N)
		v->ar[i] = b & ar_bits[i];
	v->ar_data = !v->ar_data;
}

void
vga_port_write(struct vga *v, unsigned port, uint8_t b)
{
	if (is_elsewhere(v, port))
		return;
	switch (port) {
	case 0x3c0:
		ar_write(v, b);
		break;
	case 0x3c2:
		v->misc = b & ~0x10;
		vga_window_update(v);
		break;
	case 0x3c4:
		v->sr_index = b & 7;
		break;
	case 0x3c5:
		v->sr[v->sr_index] = b & sr_bits[v->sr_index];
		vga_window_update(v);
		break;
	case 0x3c6:
		v->dac_mask = b;
		break;
	case 0x3c7:
		v->dac_read = b;
		v->dac_step = 0;
		v->dac_state = DAC_READING;
		break;
	case 0x3c8:
		v->dac_write = b;
		v->dac_step = 0;
		v->dac_state = DAC_WRITING;
		break;
	case 0x3c9:
		dac_put(v, b);
		break;
	case 0x3ce:
		v->gr_index = b & 15;
		break;
	case 0x3cf:
		if (v->gr_index >= GR_N)
			break;
		v->gr[v->gr_index] = b & gr_bits[v->gr_index];
		vga_window_update(v);
		break;
	case 0x3b4:
	case 0x3d4:
		v->cr_index = b;
		break;
	case 0x3b5:
	case 0x3d5:
		cr_write(v, v->cr_index, b);
		break;
	case 0x3ba:
	case 0x3da:
		v->feature = b & 0x0b;
		break;
	}
}

/* --- Reset: nothing is shown until a BIOS has set a mode ----------------- */

void
vga_registers_reset(struct vga *v)
{
	v->misc = MISC_COLOUR;
	v->feature = 0;
	memset(v->sr, 0, sizeof(v->sr));
	memset(v->cr, 0, sizeof(v->cr));
	memset(v->gr, 0, sizeof(v->gr));
	memset(v->ar, 0, sizeof(v->ar));
	memset(v->dac, 0, sizeof(v->dac));
	memset(v->latch, 0, sizeof(v->latch));
	v->sr_index = v->cr_index = v->gr_index = v->ar_index = 0;
	v->ar_data = false;
	v->dac_mask = 0xff;
	v->dac_state = DAC_WRITING;
	v->dac_read = v->dac_write = v->dac_step = 0;
}
