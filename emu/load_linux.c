/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load_linux.c - Linux: a bzImage, by "The Linux/x86 Boot Protocol"
 *
 * The kernel's own set-up code is started in real mode, where it asks the
 * firmware for the memory map and the video mode: it works with any machine
 * the firmware works with.  Offsets below are of the file, as the protocol
 * names its fields.
 *
 *	10000h	set-up code, its heap and stack in the same 64 KiB
 *	20000h	the command line
 *	100000h	the kernel
 *	the end	the initial RAM disk, below what the firmware keeps
 *
 * The items also have the numbers other firmware looks for.
 */
#include "load.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

enum {
	SETUP_SECTS = 0x1f1,
	SYSSIZE = 0x1f4,
	VID_MODE = 0x1fa,
	BOOT_FLAG = 0x1fe,
	HEADER = 0x202,
	VERSION = 0x206,
	TYPE_OF_LOADER = 0x210,
	LOADFLAGS = 0x211,
	RAMDISK_IMAGE = 0x218,
	RAMDISK_SIZE = 0x21c,
	HEAP_END_PTR = 0x224,
	CMD_LINE_PTR = 0x228,
	INITRD_ADDR_MAX = 0x22c,
	RELOCATABLE = 0x234,
	CMDLINE_SIZE = 0x238,
	PREF_ADDRESS = 0x258,
	INIT_SIZE = 0x260,
	HEADER_END = 0x264,

	LOADED_HIGH = 0x01,
	CAN_USE_HEAP = 0x80,
	LOADER_UNKNOWN = 0xff,

	SETUP_AT = 0x10000,
	STACK = 0xfff0,
	HEAP_END = 0xe000,
	SETUP_MAX = 0x8000,
	COMMAND_AT = 0x20000,
	COMMAND_MAX = 0x10000,
	KERNEL_AT = 0x100000,
};

static uint32_t
get(const uint8_t *p, unsigned n)
{
	uint32_t v = 0;

	while (n--)
		v = v << 8 | p[n];
	return v;
}

static void
put(uint8_t *p, unsigned n, uint32_t v)
{
	for (; n--; v >>= 8)
		*p++ = v;
}

bool
linux_is(const struct load_file *f)
{
	return f->len >= HEADER_END && get(f->data + BOOT_FLAG, 2) == 0xaa55 &&
	    !memcmp(f->data + HEADER, "HdrS", 4);
}

/* vga=MODE is for the loader. */
static unsigned
video_mode(const char *text)
{
	static const struct { const char *name; unsigned mode; } names[] = {
		{ "normal", 0xffff }, { "ext", 0xfffe }, { "ask", 0xfffd },
	};

	for (const char *p = text; (p = strstr(p, "vga=")); p += 4) {
		size_t n;

		if (p > text && p[-1] != ' ')
			continue;
		p += 4;
		n = strcspn(p, " ");
		for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
			if (strlen(names[i].name) == n &&
			    !memcmp(p, names[i].name, n))
				return names[i].mode;
		}
		return strtoul(p, NULL, 0);
	}
	return 0xffff;
}

static int
load_initrd(struct load *l, uint64_t used, struct error *err)
{
	uint64_t end = min64(l->end, get(l->setup + INITRD_ADDR_MAX, 4) +
	    1ull), at;
	struct load_file *f = &l->more[0];

	if (!l->config.initrd)
		return 0;
	if (load_read(f, l->config.initrd, end, err) < 0)
		return error_prefix(err, "-initrd");
	l->n_more = 1;
	at = f->len < end ? align_down(end - f->len, 4096) : 0;
	if (at < used)
		return error_set(err, ENOMEM, "the initial RAM disk '%s' does "
		    "not fit into memory beside it: %llu MiB more are needed",
		    f->name, (unsigned long long)div_up(used + f->len + 4096 -
		    min64(end, used + f->len), MIB));
	put(l->setup + RAMDISK_IMAGE, 4, at);
	put(l->setup + RAMDISK_SIZE, 4, f->len);
	if (fw_cfg_add32(l->fw, FW_CFG_INITRD_ADDR, at, err) < 0 ||
	    fw_cfg_add32(l->fw, FW_CFG_INITRD_SIZE, f->len, err) < 0 ||
	    fw_cfg_lend(l->fw, FW_CFG_INITRD_DATA, f->data, f->len, err) < 0)
		return -err->code;
	return load_piece(l, FW_CFG_INITRD_DATA, 0, f->len, at, err);
}

static int
load_command(struct load *l, struct error *err)
{
	const char *text = l->config.append ? l->config.append : "";
	uint64_t max = min64(get(l->setup + CMDLINE_SIZE, 4), COMMAND_MAX - 1);
	size_t len = strlen(text);

	if (len > max)
		return error_set(err, E2BIG, "its command line may have %llu "
		    "characters, this one has %zu", (unsigned long long)max,
		    len);
	put(l->setup + CMD_LINE_PTR, 4, COMMAND_AT);
	put(l->setup + VID_MODE, 2, video_mode(text));
	if (fw_cfg_add32(l->fw, FW_CFG_CMDLINE_ADDR, COMMAND_AT, err) < 0 ||
	    fw_cfg_add32(l->fw, FW_CFG_CMDLINE_SIZE, len + 1, err) < 0 ||
	    fw_cfg_add(l->fw, FW_CFG_CMDLINE_DATA, text, len + 1, err) < 0)
		return -err->code;
	return load_piece(l, FW_CFG_CMDLINE_DATA, 0, len + 1, COMMAND_AT, err);
}

/* Where its memory ends: it unpacks itself to its preferred address, or from
 * where it is. */
static uint64_t
memory_end(const struct load *l, uint64_t len)
{
	const uint8_t *s = l->setup;
	uint64_t end = KERNEL_AT + len, wants;

	if (get(s + VERSION, 2) < 0x20a || get(s + PREF_ADDRESS + 4, 4))
		return end;
	wants = max64(get(s + PREF_ADDRESS, 4), KERNEL_AT) +
	    get(s + INIT_SIZE, 4);
	return max64(end, wants);
}

int
linux_load(struct load *l, struct error *err)
{
	const struct load_file *f = &l->kernel;
	const struct load_start start = { .kind = LOAD_LINUX,
		.entry = SETUP_AT, .stack = STACK };
	unsigned sectors = f->data[SETUP_SECTS], version;
	uint64_t setup = (sectors ? sectors + 1 : 5) * 512, len, used;

	version = get(f->data + VERSION, 2);
	if (version < 0x206)
		return error_set(err, ENOTSUP, "a Linux kernel of boot "
		    "protocol %u.%02u; 2.06 is the oldest that is supported",
		    version >> 8, version & 0xff);
	if (!(f->data[LOADFLAGS] & LOADED_HIGH))
		return error_set(err, ENOTSUP, "a zImage is not supported, a "
		    "bzImage is");
	if (setup > SETUP_MAX)
		return error_set(err, EINVAL, "its set-up code has %llu "
		    "bytes, at most %d can be", (unsigned long long)setup,
		    SETUP_MAX);
	/* What follows may be a signature. */
	len = (uint64_t)get(f->data + SYSSIZE, 4) * 16;
	if (f->len <= setup || len > f->len - setup + 15)
		return error_set(err, EINVAL, "it is truncated: %zu bytes of "
		    "%llu", f->len, (unsigned long long)(setup + len));
	len = f->len - setup;
	l->setup = malloc(setup);
	if (!l->setup)
		return error_errno(err, ENOMEM, "its set-up code");
	memcpy(l->setup, f->data, setup);
	used = memory_end(l, len);
	if (used > l->end)
		return error_set(err, ENOMEM, "it needs a machine of %llu MiB",
		    (unsigned long long)div_up(used + LOAD_RESERVED, MIB));

	l->setup[TYPE_OF_LOADER] = LOADER_UNKNOWN;
	l->setup[LOADFLAGS] |= CAN_USE_HEAP;
	put(l->setup + HEAP_END_PTR, 2, HEAP_END - 0x200);
	put(l->setup + RAMDISK_IMAGE, 4, 0);
	put(l->setup + RAMDISK_SIZE, 4, 0);
	if (load_begin(l, &start, err) < 0 || load_command(l, err) < 0 ||
	    load_initrd(l, used, err) < 0 ||
	    fw_cfg_add32(l->fw, FW_CFG_SETUP_ADDR, SETUP_AT, err) < 0 ||
	    fw_cfg_add32(l->fw, FW_CFG_SETUP_SIZE, setup, err) < 0 ||
	    fw_cfg_lend(l->fw, FW_CFG_SETUP_DATA, l->setup, setup, err) < 0 ||
	    fw_cfg_add32(l->fw, FW_CFG_KERNEL_ADDR, KERNEL_AT, err) < 0 ||
	    fw_cfg_add32(l->fw, FW_CFG_KERNEL_SIZE, len, err) < 0 ||
	    fw_cfg_lend(l->fw, FW_CFG_KERNEL_DATA, f->data + setup, len,
	    err) < 0 ||
	    load_piece(l, FW_CFG_SETUP_DATA, 0, setup, SETUP_AT, err) < 0)
		return -err->code;
	return load_piece(l, FW_CFG_KERNEL_DATA, 0, len, KERNEL_AT, err);
}
