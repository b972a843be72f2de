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

enum { MACHINE_DRIVES = 32, MACHINE_SERIALS = 2 };

enum drive_bus { DRIVE_IDE, DRIVE_FLOPPY, DRIVE_VIRTIO };

struct machine_drive {
	enum drive_bus bus;
	unsigned index;		/* IDE 0..3, floppy 0..1 */
	bool cd;
	struct image *image;	/* the machine's from machine_new() on; NULL:
				 * an empty drive */
	const char *id;
	const char *serial;	/* NULL: made up */
	bool read_only, discard;
	int boot_index;		/* -1: none; the lowest is tried first */
};

enum accel { ACCEL_INTERP, ACCEL_KVM };

struct machine_config {
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
	struct chardev_config serial[MACHINE_SERIALS];
	struct chardev_config debugcon;
	uint16_t debugcon_port;
	uint16_t debug_exit_port;	/* 0: none */
	unsigned debug_exit_ports;
	bool pc_testdev, pci_testdev;
	bool vga;
	bool no_graphic;	/* firmware writes to the serial port instead */

	char boot_order[4];	/* of "acdn"; "" is the usual */
	bool boot_menu;
	int boot_menu_ms;	/* -1: the firmware's own */
	int64_t rtc_start;	/* mc146818.h */
	bool rtc_host;
	bool no_hpet;

	bool no_reboot;		/* a reset ends the program */
	bool no_shutdown;	/* power off stops, and does not end it */
	bool stopped;		/* -S */

	struct opts *opts[MACHINE_DRIVES];	/* hold the drives' texts */
};

/* What there is when nothing is said. */
void machine_defaults(struct machine_config *);

/* The images are the machine's also when this fails. */
struct machine *machine_new(const struct machine_config *, struct error *err);
/* Until power off, machine_quit() or a fatal error; the exit code. */
int machine_run(struct machine *);
/* Flushes and closes the disks; the first error of them. */
int machine_free(struct machine *, struct error *err);	/* NULL is allowed */

/* Any thread. */
void machine_quit(struct machine *, int code);
/* Lock held: as the buttons of a PC; running or stopped. */
void machine_reset(struct machine *);
void machine_power_button(struct machine *);
void machine_stop(struct machine *);
void machine_continue(struct machine *);
bool machine_is_running(const struct machine *);

#endif
