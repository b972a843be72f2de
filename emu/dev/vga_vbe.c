/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vga_vbe.c - the Bochs display interface, and the adapter as a PCI function
 *
 * Modes beyond the VGA's are set by eleven 16-bit registers, reached by index
 * and data at ports 1CEh and 1CFh or flat in BAR 2.  While they are enabled
 * they say all about the picture; the VGA's own registers are left alone and
 * count again when VBE goes off.
 *
 * The registers are documented with VGABIOS ("VBE Display API"), the PCI
 * function in the peer's specification of its standard VGA: BAR 0 is video
 * memory, BAR 2 has an EDID at 0, VGA ports at 400h, VBE registers at 500h and
 * at 600h its own two: their size and the byte order, which stays ours.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "dev/vga_regs.h"

enum {
	ID_OLDEST = 0xb0c0, ID_NEWEST = 0xb0c5,
	MMIO = 0x1000, MMIO_PORTS = 0x400, MMIO_VBE = 0x500, MMIO_OWN = 0x600,
};

#define LITTLE_ENDIAN_MARK 0x1e1e1e1e

/* --- Registers ----------------------------------------------------------- */

unsigned
vbe_pitch(const struct vga *v)
{
	unsigned width = v->vbe[VBE_VIRT_WIDTH], bpp = v->vbe[VBE_BPP];

	return bpp == 4 ? width / 8 : width * ((bpp + 7) / 8);
}

/* How many lines of this pitch there is memory for. */
static unsigned
lines(const struct vga *v)
{
	unsigned pitch = vbe_pitch(v) * (v->vbe[VBE_BPP] == 4 ? 4 : 1);

	return pitch ? (unsigned)min64(VGA_VRAM / pitch, 0xffff) : 0;
}

uint16_t
vbe_read(const struct vga *v, unsigned i)
{
	if (v->vbe[VBE_ENABLE] & VBE_GETCAPS) {
		if (i == VBE_XRES)
			return VBE_MAX_X;
		if (i == VBE_YRES)
			return VBE_MAX_Y;
		if (i == VBE_BPP)
			return VBE_MAX_BPP;
	}
	if (i == VBE_VIRT_HEIGHT)
		return lines(v);
	return i < VBE_N ? v->vbe[i] : 0;
}

static bool
is_depth(unsigned bpp)
{
	return bpp == 4 || bpp == 8 || bpp == 15 || bpp == 16 || bpp == 24 ||
	    bpp == 32;
}

static void
switch_on(struct vga *v, uint16_t value)
{
	uint16_t *r = v->vbe;

	r[VBE_VIRT_WIDTH] = r[VBE_XRES];
	r[VBE_X_OFFSET] = r[VBE_Y_OFFSET] = 0;
	r[VBE_BANK] = 0;
	if (!(value & VBE_NOCLEAR))
		memset(v->vram, 0, min64((uint64_t)vbe_pitch(v) *
		    (r[VBE_BPP] == 4 ? 4 : 1) * r[VBE_YRES], VGA_VRAM));
}

static void
enable(struct vga *v, uint16_t value)
{
	uint16_t *r = v->vbe;
	bool was = vbe_on(v), wide = r[VBE_ENABLE] & VBE_8BIT_DAC;

	value &= VBE_ON | VBE_GETCAPS | VBE_8BIT_DAC | VBE_LFB | VBE_NOCLEAR;
	if (!r[VBE_XRES] || !r[VBE_YRES])
		value &= ~VBE_ON;
	r[VBE_ENABLE] = value;
	if (value & VBE_ON && !was)
		switch_on(v, value);
	/* The colours stay what they are when the DAC's width changes. */
	for (unsigned i = 0; i < 256 * 3; i++) {
		uint8_t *c = &v->dac[0][0] + i;

		if (value & VBE_8BIT_DAC && !wide)
			*c = *c << 2 | *c >> 4;
		else if (!(value & VBE_8BIT_DAC) && wide)
			*c >>= 2;
	}
	vga_window_update(v);
}

void
vbe_write(struct vga *v, unsigned i, uint16_t value)
{
	uint16_t *r = v->vbe;

	switch (i) {
	case VBE_ID:		/* the version that software wants */
		if (value >= ID_OLDEST && value <= ID_NEWEST)
			r[i] = value;
		break;
	case VBE_XRES:
		if (!vbe_on(v) && value <= VBE_MAX_X)
			r[i] = value & ~7;
		break;
	case VBE_YRES:
		if (!vbe_on(v) && value <= VBE_MAX_Y)
			r[i] = value;
		break;
	case VBE_BPP:
		if (!value)
			value = 8;
		if (!vbe_on(v) && is_depth(value))
			r[i] = value;
		break;
	case VBE_ENABLE:
		enable(v, value);
		break;
	case VBE_BANK:
		r[i] = value & (VGA_VRAM / VGA_BANK - 1);
		vga_window_update(v);
		break;
	case VBE_VIRT_WIDTH:
		if (vbe_on(v) && value >= r[VBE_XRES])
			r[i] = value & ~7;
		break;
	case VBE_X_OFFSET:
	case VBE_Y_OFFSET:
		r[i] = value;
		break;
	}
}

void
vbe_reset(struct vga *v)
{
	memset(v->vbe, 0, sizeof(v->vbe));
	v->vbe_index = 0;
	v->vbe[VBE_ID] = ID_NEWEST;
	v->vbe[VBE_BPP] = 8;
	v->vbe[VBE_MEMORY_64K] = VGA_VRAM / VGA_BANK;
	v->endian = LITTLE_ENDIAN_MARK;
}

/* --- Ports --------------------------------------------------------------- */

enum { MONO = 0x3b0, COLOUR = 0x3c0 };

static uint64_t
mono_in(void *dev, uint64_t off, unsigned size)
{
	return vga_port_read(dev, MONO + off);
}

static void
mono_out(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	vga_port_write(dev, MONO + off, value);
}

static const struct io_ops mono_ops = {
	.read = mono_in, .write = mono_out, .max = 1,
};

static uint64_t
colour_in(void *dev, uint64_t off, unsigned size)
{
	return vga_port_read(dev, COLOUR + off);
}

static void
colour_out(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	vga_port_write(dev, COLOUR + off, value);
}

static const struct io_ops colour_ops = {
	.read = colour_in, .write = colour_out, .max = 1,
};

static uint64_t
vbe_in(void *dev, uint64_t off, unsigned size)
{
	struct vga *v = dev;

	return off ? vbe_read(v, v->vbe_index) : v->vbe_index;
}

static void
vbe_out(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	struct vga *v = dev;

	if (size != 2)
		return;
	if (off == 0)
		v->vbe_index = value;
	else
		vbe_write(v, v->vbe_index, value);
}

/* 1CEh is the index; data at 1CFh, and where it is aligned at 1D0h. */
static const struct io_ops vbe_ops = {
	.read = vbe_in, .write = vbe_out, .max = 2,
};

/* --- BAR 2 --------------------------------------------------------------- */

static uint64_t
mmio_read(void *dev, uint64_t off, unsigned size)
{
	struct vga *v = dev;

	if (off >= MMIO_PORTS && off + size <= MMIO_PORTS + 0x20) {
		uint64_t value = 0;

		for (unsigned i = 0; i < size; i++)
			value |= (uint64_t)vga_port_read(v, 0x3c0 + off -
			    MMIO_PORTS + i) << 8 * i;
		return value;
	}
	if (off >= MMIO_VBE && off < MMIO_VBE + 2 * VBE_N) {
		uint16_t r = vbe_read(v, (off - MMIO_VBE) / 2);

		return off & 1 ? r >> 8 : r;
	}
	if (off == MMIO_OWN)
		return 8;
	if (off == MMIO_OWN + 4)
		return v->endian;
	return 0;
}

static void
mmio_write(void *dev, uint64_t off, unsigned size, uint64_t value)
{
	struct vga *v = dev;

	if (off >= MMIO_PORTS && off + size <= MMIO_PORTS + 0x20) {
		for (unsigned i = 0; i < size; i++)
			vga_port_write(v, 0x3c0 + off - MMIO_PORTS + i,
			    value >> 8 * i);
	} else if (off >= MMIO_VBE && off < MMIO_VBE + 2 * VBE_N &&
	    size == 2 && !(off & 1)) {
		vbe_write(v, (off - MMIO_VBE) / 2, value);
	}
}

static const struct io_ops mmio_ops = {
	.read = mmio_read, .write = mmio_write, .max = 4,
};

/* --- The function -------------------------------------------------------- */

static void
reset(struct pci_dev *d)
{
	struct vga *v = (struct vga *)d;

	vga_registers_reset(v);
	vbe_reset(v);
	vga_window_update(v);
}

static void
chip_free(struct pci_dev *d)
{
	struct vga *v = (struct vga *)d;

	mem_remove(v->direct);
	mem_remove(v->window);
	for (unsigned i = 0; i < ARRAY_LEN(v->ports); i++)
		bus_remove(v->ports[i]);
	if (v->vram)
		munmap(v->vram, VGA_VRAM);
	if (v->rom)
		munmap(v->rom, v->rom_len);
	free(v->pixel);
	free(v->cell);
	free(v);
}

static void *
pages(uint64_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static bool
wire(struct vga *v, struct bus *bus)
{
	/* 3BCh to 3BFh is a printer's. */
	v->ports[0] = bus_add(bus, MONO, 0x0c, &mono_ops, v, "vga");
	v->ports[1] = bus_add(bus, COLOUR, 0x20, &colour_ops, v, "vga");
	v->ports[2] = bus_add(bus, 0x1ce, 4, &vbe_ops, v, "vbe");
	v->window = mem_add_io(v->mem, VGA_WINDOW, VGA_WINDOW_LEN,
	    &vga_window_ops, v, "vga");
	return v->ports[0] && v->ports[1] && v->ports[2] && v->window;
}

struct vga *
vga_new(struct pci_bus *pci, struct mem *mem, struct bus *bus,
    struct board *board, const struct vga_config *c, struct error *err)
{
	static const struct pci_id id = { .vendor = 0x1234, .device = 0x1111,
		.class_code = 0x03, .revision = 2,
		.subvendor = 0x1af4, .subdevice = 0x1100 };
	struct vga *v = calloc(1, sizeof(*v));

	if (!v) {
		error_errno(err, ENOMEM, "VGA");
		return NULL;
	}
	v->pci.name = "VGA";
	v->pci.id = c->id;
	v->pci.reset = reset;
	v->pci.free = chip_free;
	v->board = board;
	v->mem = mem;
	v->vram = pages(VGA_VRAM);
	if (c->rom) {
		for (v->rom_len = PAGE_SIZE; v->rom_len < c->rom_len; )
			v->rom_len *= 2;
		v->rom = pages(v->rom_len);
	}
	if (v->rom)
		memcpy(v->rom, c->rom, c->rom_len);
	if (!v->vram || (c->rom && !v->rom) || !wire(v, bus)) {
		error_errno(err, ENOMEM, "VGA");
		chip_free(&v->pci);
		return NULL;
	}
	if (pci_init(&v->pci, pci, &id, c->slot, 0, err) < 0) {
		chip_free(&v->pci);
		return NULL;
	}
	v->pci.bar[0] = (struct pci_bar){ .size = VGA_VRAM, .prefetch = true,
		.ram = v->vram };
	v->pci.bar[2] = (struct pci_bar){ .size = MMIO, .ops = &mmio_ops };
	pci_bar_changed(&v->pci, 0);
	pci_bar_changed(&v->pci, 2);
	if (v->rom) {
		v->pci.rom = (struct pci_bar){ .ram = v->rom,
		    .size = v->rom_len };
		pci_bar_changed(&v->pci, 6);
	}
	reset(&v->pci);
	return v;
}

struct display_source
vga_source(struct vga *v)
{
	return (struct display_source){ .picture = vga_picture, .dev = v };
}
