/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine.h - a PC: i440FX, PIIX3 and what is plugged into it
 *
 * options.c fills in a struct machine_config, plain data with everything
 * opened that needs a name of the host; machine_new() builds the board of it.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "cpu/cpu.h"
#include "ctl/chardev.h"
#include "load.h"

struct image;
struct machine;
struct opts;
struct sandbox;

enum { MACHINE_DRIVES = 32, MACHINE_SERIALS = 2, MACHINE_CHARDEVS = 32,
	MACHINE_DEBUGCONS = 4, MACHINE_DEVICES = 16, MACHINE_PORTS = 31,
	MACHINE_ANY_SLOT = 0xff };

/* NONE: nothing is plugged into it. */
enum drive_bus { DRIVE_NONE, DRIVE_IDE, DRIVE_FLOPPY, DRIVE_VIRTIO };

/* Zero or NULL where nothing was said: the usual. */
struct machine_drive {
	enum drive_bus bus;
	unsigned index;		/* IDE 0..3, floppy 0..1 */
	bool cd;
	struct image *image;	/* the machine's from machine_new() on; NULL:
				 * an empty drive */
	const char *file;	/* as the user named it */
	const char *id;
	const char *serial, *model, *firmware;
	bool read_only, discard;
	int boot_index;		/* -1: none; the lowest is tried first */
	unsigned cylinders, heads, sectors;
	/* Of virtio: */
	const char *device_id;
	unsigned slot;		/* or MACHINE_ANY_SLOT */
	unsigned queues, queue_size, vectors;
	unsigned logical_block, physical_block;
	bool disable_legacy, disable_modern;
	bool no_discard, no_write_zeroes, no_config_wce;
};

/* Other devices on PCI, in the order given. */
enum machine_device_kind { DEVICE_RNG, DEVICE_SERIAL,
	DEVICE_TESTDEV };

struct machine_port {
	bool console;
	struct chardev_config chr;
	const char *name;
};

struct machine_device {
	enum machine_device_kind kind;
	const char *id;
	unsigned slot;		/* or MACHINE_ANY_SLOT */
	unsigned vectors;
	bool disable_legacy, disable_modern;
	uint64_t max_bytes;	/* RNG */
	uint32_t period_ms;
	struct machine_port port[MACHINE_PORTS];	/* SERIAL */
	unsigned ports, max_ports;
};

struct machine_debugcon {
	struct chardev_config chr;
	uint16_t port;
};

enum accel { ACCEL_INTERP, ACCEL_KVM };
enum display { DISPLAY_NONE, DISPLAY_CURSES };

struct machine_config {
	const char *tool;	/* the name messages begin with */
	bool peer;		/* we go by the peer's name */
	const char *name;
	uint8_t uuid[16];
	bool has_uuid;
	uint64_t ram;
	unsigned cpus;
	const char *model;	/* "-cpu" text; NULL: the usual */
	enum accel accel;
	bool accel_fallback;	/* interp where KVM is not good */
	bool kvm_unprobed;	/* use it as it is, if only for firmware */

	const char *bios;	/* NULL: SeaBIOS */
	const char *firmware_dir;	/* -L */
	struct load_config load;

	struct machine_drive drive[MACHINE_DRIVES];
	unsigned drives;
	struct machine_device device[MACHINE_DEVICES];
	unsigned devices;
	/* Streams with an id; others name them by CHARDEV_REF. */
	struct chardev_config chardev[MACHINE_CHARDEVS];
	unsigned chardevs;
	struct chardev_config serial[MACHINE_SERIALS];
	struct chardev_config monitor;
	struct machine_debugcon debugcon[MACHINE_DEBUGCONS];
	unsigned debugcons;
	uint16_t debug_exit_port;	/* 0: none */
	unsigned debug_exit_ports;
	bool pc_testdev;
	bool vga;
	enum display display;
	bool no_graphic;	/* firmware writes to the serial port instead */

	char boot_order[4];	/* of "acdn"; "" is the usual */
	char boot_once[4];	/* the same for the first start alone */
	bool boot_menu;
	int boot_menu_ms;	/* -1: the firmware's own */
	int64_t reboot_ms;	/* when nothing boots; -1: never */
	int64_t rtc_start;	/* mc146818.h */
	bool rtc_host;
	bool no_hpet, no_acpi;

	bool no_reboot;		/* a reset ends the program */
	bool no_shutdown;	/* power off stops, and does not end it */
	bool stopped;		/* -S */

	const char *log, *log_file;	/* -d, -D; NULL: none */
	bool daemonize;
	const char *pidfile;
	bool no_sandbox, sandbox_asked;
	const char *sandbox_dir;	/* may be written to by the monitor */

	struct sandbox *sandbox;	/* entered before a guest runs; NULL:
					 * none */

	struct opts **opts;	/* hold texts */
	unsigned opts_n;
	struct opts *objects;	/* secrets of images */
};

/* What there is when nothing is said. */
void machine_defaults(struct machine_config *);

/* The images are the machine's also when this fails. */
struct machine *machine_new(const struct machine_config *, struct error *err);
/* Until power off, a signal, the monitor's quit or a fatal error; the exit code. */
int machine_run(struct machine *);
/* Flushes and closes the disks; the first error of them. */
int machine_free(struct machine *, struct error *err);	/* NULL is allowed */

/* Lock held: as the buttons of a PC; running or stopped. */
void machine_reset(struct machine *);
void machine_power_button(struct machine *);
void machine_stop(struct machine *);
void machine_continue(struct machine *);
bool machine_is_running(const struct machine *);

#endif
