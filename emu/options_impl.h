/* SPDX-License-Identifier: GPL-2.0-or-later */
/* options_impl.h - what the files of the command line share */
#ifndef OPTIONS_IMPL_H
#define OPTIONS_IMPL_H

#include "base/opts.h"
#include "cli/cli.h"
#include "daemon.h"
#include "machine.h"

/* A drive as it was described: -drive, -blockdev, -hda and others. */
struct drive_line {
	const char *option, *text;	/* for messages */
	struct opts *o;
	bool node;		/* -blockdev */
	bool used;		/* another -blockdev's file or backing */
};

struct device_line {
	const char *text;
	struct opts *o;
};

struct parser {
	struct cli cli;
	struct machine_config *c;
	const char *name;		/* of the option at hand */
	struct drive_line line[MACHINE_DRIVES];
	struct device_line device[64];
	unsigned lines, devices, serials;
	uint16_t debugcon_port;		/* of -debugcon */
	bool snapshot;			/* of all drives */
	bool no_defaults, no_graphic, display, monitor, vga, accel_said;
	bool has_debugcon, has_stdio;
	bool done;			/* all is done: help was shown */
	int code;			/* exit code then */
	bool said;			/* the error was printed */
	const char *what, *value;	/* which option the error is about */
};

/* An option of the table.  NULL for take: known to the peers and not here;
 * then help says what of. */
struct emu_option {
	const char *name, *arg, *help;
	int (*take)(struct parser *, const char *value, struct error *);
};

/* Options that live as long as the configuration; NULL: no memory. */
struct opts *keep_opts(struct parser *, struct error *err);
/* Two texts in one, for as long. */
const char *keep_text(struct parser *, const char *a, const char *b,
    struct error *err);
/* "a=b,c=d" or JSON. */
struct opts *parse_opts(struct parser *, const char *text,
    const char *implied, struct error *err);
/* Fails when something was not taken. */
int all_taken(const struct opts *, struct error *err);
/* A number in [min, max]; *v stays when the key is absent. */
int take_number(struct opts *, const char *key, uint64_t min, uint64_t max,
    unsigned *v, struct error *err);
#define TAKE(name) int name(struct parser *, const char *, struct error *)

/* options_board.c */
TAKE(take_memory);
TAKE(take_cpus);
TAKE(take_model);
TAKE(take_accel);
TAKE(take_kvm);
TAKE(take_machine);
TAKE(take_boot);
TAKE(take_rtc);
TAKE(take_name);
TAKE(take_uuid);
TAKE(take_display);
TAKE(take_vga);
TAKE(take_sandbox);

/* options_drive.c */
TAKE(take_drive);
TAKE(take_blockdev);
TAKE(take_disk);
TAKE(take_cdrom);
TAKE(take_floppy);
int open_drives(struct parser *, struct error *err);
struct machine_drive *find_drive(struct parser *, const char *id);
/* Is there one already? */
bool place_taken(const struct machine_config *, enum drive_bus,
    unsigned index);

/* options_device.c */
TAKE(take_device);
TAKE(take_global);
int plug_devices(struct parser *, struct error *err);

#undef TAKE
#endif
