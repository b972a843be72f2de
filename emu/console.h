/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * console.h - what stands between a machine and people: streams, screen, keys,
 * monitor, and signals that end the program
 */
#ifndef CONSOLE_H
#define CONSOLE_H

#include "core/display.h"
#include "dev/disk.h"
#include "dev/pci.h"
#include "machine.h"
#include "processors.h"

struct console;

/* Opens the streams of -chardev. */
struct console *console_new(struct board *, const struct machine_config *,
    struct error *err);
/* Once nothing uses its streams any more; NULL is allowed. */
void console_free(struct console *);

/* The stream a device asks for, the console's; NULL with err->code 0: none is
 * wanted. */
struct chardev *console_stream(struct console *,
    const struct chardev_config *, const char *label, struct error *err);

struct console_board {
	struct machine *machine;
	struct mem *mem;
	struct pci_bus *pci;
	struct processors *processors;
	struct display_source screen;	/* picture NULL: none */
	struct input_sink input;
	struct disk *const *disk;	/* as the drives of the config */
};

/* Monitor and display, once the board is complete. */
int console_start(struct console *, const struct console_board *,
    struct error *err);

#endif
