/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * monitor.h - commands to the machine by hand, on any stream
 *
 * The monitor knows the machine by the functions of struct control, which the
 * board fills in; whatever else controls it (a protocol for programs) uses the
 * same.  Everything with the board lock held.
 */
#ifndef CTL_MONITOR_H
#define CTL_MONITOR_H

#include "core/board.h"
#include "core/chardev.h"
#include "core/display.h"

struct chord;

typedef void control_line(void *arg, const char *text);

enum control_show { SHOW_BLOCK, SHOW_CHARDEV, SHOW_CPUS, SHOW_MTREE, SHOW_PCI };

struct control {
	void *opaque;
	bool peer;		/* we go by the peer's name */
	const char *version;
	const char *name;	/* the machine's, or NULL */
	uint8_t uuid[16];
	unsigned cpus;

	bool (*running)(void *opaque);
	void (*stop)(void *opaque);
	void (*go)(void *opaque);
	void (*reset)(void *opaque);
	void (*power_button)(void *opaque);
	void (*nmi)(void *opaque);
	void (*quit)(void *opaque);

	void (*show)(void *opaque, enum control_show, control_line *,
	    void *arg);
	void (*registers)(void *opaque, unsigned cpu, control_line *,
	    void *arg);
	/* A register by its name in lower case ("rip", "pc", "cr3"). */
	bool (*get)(void *opaque, unsigned cpu, const char *name,
	    uint64_t *value);
	/* Memory as the processor sees it, or by physical address; false: some
	 * of it cannot be read.  Up to 4096 bytes. */
	bool (*read)(void *opaque, unsigned cpu, bool physical, uint64_t addr,
	    void *buf, unsigned len);
	/* The instruction in bytes[n] as text; its length, 0: cut. */
	unsigned (*disassemble)(void *opaque, unsigned cpu, uint64_t addr,
	    const uint8_t *bytes, unsigned n, char *text, size_t size);

	/* A file to be written, or -errno. */
	int (*create)(void *opaque, const char *path, struct error *err);
	struct display_source screen;	/* picture NULL: there is none */
	bool (*press)(void *opaque, const struct chord *); /* NULL: no keys */

	int (*eject)(void *opaque, const char *device, bool force,
	    struct error *err);
	int (*change)(void *opaque, const char *device, const char *file,
	    const char *format, struct error *err);
};

struct monitor;

/* control is borrowed, as is the stream. */
struct monitor *monitor_new(struct board *, const struct control *,
    struct chardev *, struct error *err);
void monitor_free(struct monitor *);	/* NULL is allowed */

#endif
