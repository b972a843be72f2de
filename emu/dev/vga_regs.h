/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga_regs.h - the adapter's state, for vga*.c
 *
 * Video memory is four planes, byte o of plane p at vram[4 * o + p]: so a
 * pixel of the packed modes lies where a linear frame buffer has it, and the
 * four bytes that a real VGA reads at once are neighbours.
 *
 * IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem", is cited
 * by register; the VBE registers are those of the Bochs display interface.
 */
#ifndef DEV_VGA_REGS_H
#define DEV_VGA_REGS_H

#include "dev/vga.h"

enum {
	VGA_VRAM = 16 << 20,
	VGA_WINDOW = 0xa0000,		/* to BFFFFh */
	VGA_WINDOW_LEN = 0x20000,
	VGA_BANK = 0x10000,
};

/* Registers and bits by the letters of their groups. */
enum {
	MISC_COLOUR = 0x01, MISC_RAM = 0x02,

	SR_RESET = 0, SR_CLOCKING, SR_MAP_MASK, SR_FONT, SR_MEMORY,
	SR_N = 8,
	SR1_EIGHT_DOTS = 0x01, SR1_HALF_CLOCK = 0x08, SR1_SCREEN_OFF = 0x20,
	SR4_NO_ODD_EVEN = 0x04, SR4_CHAIN4 = 0x08,

	CR_H_TOTAL = 0x00, CR_H_END = 0x01, CR_V_TOTAL = 0x06,
	CR_OVERFLOW = 0x07, CR_PRESET = 0x08, CR_MAX_SCAN = 0x09,
	CR_CURSOR_START = 0x0a, CR_CURSOR_END = 0x0b, CR_START = 0x0c,
	CR_CURSOR = 0x0e, CR_V_SYNC = 0x10, CR_V_SYNC_END = 0x11,
	CR_V_END = 0x12, CR_OFFSET = 0x13, CR_UNDERLINE = 0x14,
	CR_MODE = 0x17, CR_LINE_COMPARE = 0x18,
	CR_N = 0x19,
	CR11_PROTECT = 0x80, CR14_DOUBLEWORD = 0x40,
	CR17_ROW0 = 0x01, CR17_ROW1 = 0x02, CR17_WRAP = 0x20,
	CR17_BYTE = 0x40, CR17_SYNC = 0x80,

	GR_SET = 0, GR_SET_ENABLE, GR_COMPARE, GR_ROTATE, GR_READ_MAP,
	GR_MODE, GR_MISC, GR_CARE, GR_BIT_MASK,
	GR_N = 9,
	GR5_READ_COMPARE = 0x08, GR5_ODD_EVEN = 0x10, GR5_CGA = 0x20,
	GR5_256 = 0x40,
	GR6_GRAPHICS = 0x01,

	AR_MODE = 0x10, AR_OVERSCAN, AR_PLANES, AR_PAN, AR_SELECT,
	AR_N = 0x15,
	AR_SHOW = 0x20,		/* in the index: the palette is the screen's */
	AR10_NINTH = 0x04, AR10_BLINK = 0x08, AR10_PAN_SPLIT = 0x20,
	AR10_SELECT = 0x80,
};

/* Bochs display interface. */
enum {
	VBE_ID, VBE_XRES, VBE_YRES, VBE_BPP, VBE_ENABLE, VBE_BANK,
	VBE_VIRT_WIDTH, VBE_VIRT_HEIGHT, VBE_X_OFFSET, VBE_Y_OFFSET,
	VBE_MEMORY_64K,
	VBE_N,
	VBE_ON = 0x01, VBE_GETCAPS = 0x02, VBE_8BIT_DAC = 0x20, VBE_LFB = 0x40,
	VBE_NOCLEAR = 0x80,
	VBE_MAX_X = 4096, VBE_MAX_Y = 4096, VBE_MAX_BPP = 32,
};

struct vga {
	struct pci_dev pci;
	struct board *board;
	struct mem *mem;
	uint8_t *vram;
	uint8_t *rom;		/* NULL: none */
	uint64_t rom_len;	/* a power of two, as BARs are */

	/* General registers; sequencer, CRT controller, graphics and attribute
	 * controller; DAC. */
	uint8_t misc, feature;
	uint8_t sr_index, sr[SR_N];
	uint8_t cr_index, cr[CR_N];
	uint8_t gr_index, gr[GR_N];
	uint8_t ar_index, ar[AR_N];
	bool ar_data;		/* port 3C0h takes data next */
	uint8_t dac[256][3];
	uint8_t dac_mask, dac_state, dac_read, dac_write, dac_step;
	uint8_t dac_new[3];
	uint8_t latch[4];

	uint16_t vbe_index, vbe[VBE_N];
	uint32_t endian;

	struct bus_region *ports[3];
	/* A0000h-BFFFFh: by functions, and over it what is plain memory. */
	struct mem_region *window, *direct;
	uint64_t direct_at, direct_len;
	uint8_t *direct_host;

	/* What picture() hands out. */
	uint32_t *pixel;
	uint16_t *cell;
	size_t pixels, cells;	/* allocated */
};

/* vga.c: ports 3B0h-3DFh */
uint8_t vga_port_read(struct vga *, unsigned port);
void vga_port_write(struct vga *, unsigned port, uint8_t);
void vga_registers_reset(struct vga *);

/* vga_memory.c: A0000h-BFFFFh */
extern const struct io_ops vga_window_ops;
/* Some register that says what the window shows has changed. */
void vga_window_update(struct vga *);

/* vga_vbe.c */
uint16_t vbe_read(const struct vga *, unsigned index);
void vbe_write(struct vga *, unsigned index, uint16_t);
void vbe_reset(struct vga *);
static inline bool
vbe_on(const struct vga *v)
{
	return v->vbe[VBE_ENABLE] & VBE_ON;
}
/* A linear frame buffer: all depths but 4. */
static inline bool
vbe_linear(const struct vga *v)
{
	return vbe_on(v) && v->vbe[VBE_BPP] != 4;
}
unsigned vbe_pitch(const struct vga *);	/* bytes; of one plane with 4 bpp */

/* vga_draw.c */
bool vga_picture(void *dev, struct picture *);

static inline unsigned
vga_v_end(const struct vga *v)
{
	return v->cr[CR_V_END] | (v->cr[CR_OVERFLOW] & 0x02) << 7 |
	    (v->cr[CR_OVERFLOW] & 0x40) << 3;
}

#endif
