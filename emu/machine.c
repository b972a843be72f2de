/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine.c - the board: what there is and how it is wired
 *
 * One function per part of the board, in the order in which parts need each
 * other.  Devices know their wires and nothing of each other; this is the
 * only file that knows them all.  Everything runs with the board lock held
 * once processors run; before that nobody else is there.
 *
 * Interrupts: ISA lines and PIRQA-D meet in the PIIX3, whose 16 outputs go to
 * the interrupt controllers (processors.c).  A reset may be asked for from
 * within a device: it is done later, in the loop's thread, with the processors
 * held.
 */
#include "machine.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "console.h"
#include "core/log.h"
#include "dev/debug_exit.h"
#include "dev/debugcon.h"
#include "dev/hpet.h"
#include "dev/i16550.h"
#include "dev/i440fx.h"
#include "dev/i8042.h"
#include "dev/i82078.h"
#include "dev/i8237.h"
#include "dev/i8254.h"
#include "dev/mc146818.h"
#include "dev/pc_testdev.h"
#include "dev/pci_testdev.h"
#include "dev/piix3.h"
#include "dev/piix3_ide.h"
#include "dev/piix4_pm.h"
#include "dev/port61.h"
#include "dev/port92.h"
#include "dev/vga.h"
#include "dev/virtio_blk.h"
#include "dev/virtio_console.h"
#include "dev/virtio_rng.h"
#include "firmware.h"
#include "image.h"
#include "inspect.h"
#include "processors.h"
#include "sandbox.h"

enum { IRQ_TIMER = 0, IRQ_KEYBOARD = 1, IRQ_COM2 = 3,
	IRQ_COM1 = 4, IRQ_FLOPPY = 6,
	IRQ_RTC = 8, IRQ_SCI = 9, IRQ_MOUSE = 12, IRQ_IDE = 14,
	ISA_IRQS = 16, PINS = 24 };

enum { VIDEO = 0xa0000, VIDEO_SIZE = 0x20000, VIDEO_SLOT = 2 };

/* Who holds address bit 20 open. */
enum { A20_8042, A20_PORT92 };

struct machine {
	struct machine_config config;
	struct board *board;
	struct mem *mem;
	struct bus *bus;
	struct pci_bus *pci;
	struct firmware *firmware;
	struct mem_region *no_video;
	struct vga *vga;

	struct processors *processors;
	struct i8254 *pit;
	struct hpet *hpet;

	struct piix3 *piix3;
	struct piix4_pm *pm;
	struct mc146818 *rtc;
	struct i8042 *i8042;
	struct port92 *port92;
	struct port61 *port61;
	struct i8237 *dma;
	struct i82078 *floppy;
	struct piix3_ide *ide;
	struct i16550 *serial[MACHINE_SERIALS];
	struct debugcon *debugcon[MACHINE_DEBUGCONS];
	struct debug_exit *debug_exit;
	struct pc_testdev *pc_testdev;
	struct console *console;
	struct disk *disk[MACHINE_DRIVES];
	uint8_t devfn[MACHINE_DRIVES];	/* of those on virtio */

	bool a20[2];
	bool stopped;		/* by the user, or at power off */
	struct board_work reset_work, start_work;
	int signals;		/* a signalfd, -1: none */
	struct board_fd *signals_fd;
};

void
machine_defaults(struct machine_config *c)
{
	*c = (struct machine_config){
		.ram = 128 * MIB,
		.cpus = 1,
		.vga = true,
		.boot_menu_ms = -1,
		.reboot_ms = -1,
		.rtc_start = time(NULL),
		.rtc_host = true,
	};
}

/* --- Wires ------------------------------------------------------------------------ */

static void
pirq(void *opaque, unsigned line, bool level)
{
	struct machine *m = opaque;

	piix3_pirq(m->piix3, line, level);
}

static void
a20_changed(void *sink, unsigned who, bool level)
{
	struct machine *m = sink;

	m->a20[who] = level;
	mem_set_a20(m->mem, m->a20[A20_8042] || m->a20[A20_PORT92]);
}

static void
reset_asked(void *sink, unsigned n, bool level)
{
	struct machine *m = sink;

	if (level)
		board_post(m->board, &m->reset_work);
}

static struct irq
wire(struct machine *m, void (*set)(void *, unsigned, bool), unsigned n)
{
	return (struct irq){ .set = set, .sink = m, .n = n };
}

static void
sleep_asked(void *opaque, unsigned type)
{
	struct machine *m = opaque;

	if (type != 0)
		return;
	if (!m->config.no_shutdown) {
		board_quit(m->board, 0);
		return;
	}
	m->stopped = true;
	board_post(m->board, &m->start_work);
}

/* --- Parts -------------------------------------------------------------------------- */

/* Signals that end programs end the machine in good order: its disks are
 * flushed.  Threads made from here on have them blocked. */
static void
signalled(void *opaque, short revents)
{
	struct machine *m = opaque;
	struct signalfd_siginfo info;

	if (read(m->signals, &info, sizeof(info)) == sizeof(info)) {
		fprintf(stderr, "cowbird-emu: ended by signal %u\n",
		    info.ssi_signo);
		board_quit(m->board, 0);
	}
}

static int
catch_signals(struct machine *m, struct error *err)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction old;
	sigset_t set;

	sigemptyset(&set);
	/* What is ignored (nohup, background jobs) stays so. */
	for (unsigned i = 0; i < ARRAY_LEN(ends); i++) {
		if (sigaction(ends[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			sigaddset(&set, ends[i]);
	}
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	m->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (m->signals < 0)
		return error_errno(err, errno, "signalfd");
	m->signals_fd = board_fd_add(m->board, m->signals, POLLIN, signalled,
	    m, err);
	return m->signals_fd ? 0 : -err->code;
}

static int
make_core(struct machine *m, struct error *err)
{
	m->board = board_new(err);
	if (!m->board || catch_signals(m, err) < 0)
		return -err->code;
	m->mem = mem_new(m->board, m->config.ram, err);
	if (!m->mem)
		return -err->code;
	m->bus = bus_new(m->board, err);
	if (!m->bus)
		return -err->code;
	/* Without a graphics adapter nothing is where its memory would be. */
	m->no_video = mem_add_ram(m->mem, VIDEO, VIDEO_SIZE, MEM_NONE, NULL,
	    "no-video");
	if (!m->no_video)
		return error_errno(err, ENOMEM, "machine");
	m->firmware = firmware_new(&m->config, m->mem, m->bus, err);
	if (!m->firmware)
		return -err->code;
	m->processors = processors_new(&m->config, m->board, m->mem, m->bus,
	    err);
	return m->processors ? 0 : -err->code;
}

static int
make_chipset(struct machine *m, struct error *err)
{
	struct piix3_wires piix3 = { .reset = wire(m, reset_asked, 0) };
	struct piix4_pm_wires pm = { .sleep = sleep_asked, .opaque = m };

	for (unsigned i = 0; i < 16; i++)
		piix3.isa[i] = processors_line(m->processors, i);
	m->pci = pci_bus_new(m->mem, m->bus, processors_msi(m->processors),
	    pirq, m, err);
	if (!m->pci || !i440fx_new(m->pci, m->mem, err))
		return -err->code;
	m->piix3 = piix3_new(m->pci, &piix3, err);
	if (!m->piix3)
		return -err->code;
	pm.sci = piix3_isa_irq(m->piix3, IRQ_SCI);
	m->pm = piix4_pm_new(m->pci, m->bus, m->board, &pm, err);
	return m->pm ? 0 : -err->code;
}

static int
make_video(struct machine *m, struct error *err)
{
	struct vga_config c = { .slot = VIDEO_SLOT };
	struct rom rom;

	if (!m->config.vga)
		return 0;
	if (rom_load(&rom, "vgabios-stdvga.bin",
	    m->config.firmware_dir, err) < 0)
		return -err->code;
	c.rom = rom.data;
	c.rom_len = rom.len;
	m->vga = vga_new(m->pci, m->mem, m->bus, m->board, &c, err);
	rom_unload(&rom);
	return m->vga ? 0 : -err->code;
}

static int
make_legacy(struct machine *m, struct error *err)
{
	struct mc146818_config rtc = { .start = m->config.rtc_start,
		.host = m->config.rtc_host,
		.irq = piix3_isa_irq(m->piix3, IRQ_RTC) };
	struct i8042_wires kbd = {
		.keyboard = piix3_isa_irq(m->piix3, IRQ_KEYBOARD),
		.mouse = piix3_isa_irq(m->piix3, IRQ_MOUSE),
		.reset = wire(m, reset_asked, 0),
		.a20 = wire(m, a20_changed, A20_8042),
	};
	struct irq a20 = wire(m, a20_changed, A20_PORT92);
	struct port61_wires speaker = { .gate = i8254_gate, .out = i8254_out };

	m->rtc = mc146818_new(m->bus, m->board, &rtc, err);
	if (!m->rtc)
		return -err->code;
	m->i8042 = i8042_new(m->bus, &kbd, err);
	if (!m->i8042)
		return -err->code;
	m->port92 = port92_new(m->bus, &a20, &kbd.reset, err);
	if (!m->port92)
		return -err->code;
	m->dma = i8237_new(m->bus, m->mem, err);
	if (!m->dma)
		return -err->code;
	m->pit = i8254_new(m->bus, m->board, piix3_isa_irq(m->piix3,
	    IRQ_TIMER), err);
	if (!m->pit)
		return -err->code;
	speaker.timer = m->pit;
	m->port61 = port61_new(m->bus, m->board, &speaker, err);
	return m->port61 ? 0 : -err->code;
}

/* The HPET takes the lines of the 8254 and the RTC (legacy replacement). */
static void
legacy_replaced(void *opaque, bool on)
{
	struct machine *m = opaque;

	i8254_connect(m->pit, !on);
	mc146818_connect(m->rtc, !on);
}

static int
make_hpet(struct machine *m, struct error *err)
{
	struct hpet_wires w = {
		.timer = piix3_isa_irq(m->piix3, IRQ_TIMER),
		.clock = piix3_isa_irq(m->piix3, IRQ_RTC),
		.msi = processors_msi(m->processors),
		.legacy = legacy_replaced,
		.opaque = m,
	};

	if (m->config.no_hpet)
		return 0;
	for (unsigned i = ISA_IRQS; i < PINS; i++)
		w.line[i] = processors_line(m->processors, i);
	m->hpet = hpet_new(m->mem, m->board, &w, err);
	return m->hpet ? 0 : -err->code;
}

static int
make_serial(struct machine *m, struct error *err)
{
	static const struct { uint16_t port; uint8_t irq; } at[] = {
		{ 0x3f8, IRQ_COM1 }, { 0x2f8, IRQ_COM2 },
	};
	static const char *const label[] = { "serial0", "serial1" };
	const struct machine_config *c = &m->config;
	struct chardev *chr;

	m->console = console_new(m->board, c, err);
	if (!m->console)
		return -err->code;
	for (unsigned i = 0; i < MACHINE_SERIALS; i++) {
		struct irq irq = piix3_isa_irq(m->piix3, at[i].irq);

		chr = console_stream(m->console, &c->serial[i], label[i], err);
		if (!chr && err->code)
			return -err->code;
		if (!chr)
			continue;
		m->serial[i] = i16550_new(m->bus, m->board, at[i].port, &irq,
		    chr, err);
		if (!m->serial[i])
			return -err->code;
	}
	return 0;
}

static int
make_debug(struct machine *m, struct error *err)
{
	static const char *const label[MACHINE_DEBUGCONS] = { "debugcon",
		"debugcon1", "debugcon2", "debugcon3" };
	const struct machine_config *c = &m->config;

	for (unsigned i = 0; i < c->debugcons; i++) {
		struct chardev *chr = console_stream(m->console,
		    &c->debugcon[i].chr, label[i], err);

		if (!chr)
			return err->code ? -err->code : error_set(err, EINVAL,
			    "a debug console needs a stream");
		m->debugcon[i] = debugcon_new(m->bus, c->debugcon[i].port,
		    chr, err);
		if (!m->debugcon[i])
			return -err->code;
	}
	if (c->debug_exit_port) {
		m->debug_exit = debug_exit_new(m->bus, m->board,
		    c->debug_exit_port, c->debug_exit_ports, err);
		if (!m->debug_exit)
			return -err->code;
	}
	return 0;
}

static int
make_testdevs(struct machine *m, struct error *err)
{
	struct irq line[PC_TESTDEV_LINES];

	for (unsigned i = 0; i < PC_TESTDEV_LINES; i++)
		line[i] = i < ISA_IRQS ? piix3_isa_irq(m->piix3, i) :
		    processors_line(m->processors, i);
	if (m->config.pc_testdev) {
		m->pc_testdev = pc_testdev_new(m->bus, m->mem, line, err);
		if (!m->pc_testdev)
			return -err->code;
	}
	return 0;
}

/* Where PCI_ANY_SLOT will put the next function. */
static unsigned
next_slot(struct machine *m)
{
	uint32_t taken = 7;

	for (struct pci_dev *d = NULL; (d = pci_next(m->pci, d)); )
		taken |= 1u << (d->devfn >> 3);
	return ~taken ? (unsigned)__builtin_ctz(~taken) : PCI_ANY_SLOT;
}

static int
make_virtio_disk(struct machine *m, unsigned n, struct error *err)
{
	const struct machine_drive *d = &m->config.drive[n];
	struct virtio_blk_config c = {
		.pci = { .slot = d->slot == MACHINE_ANY_SLOT ? next_slot(m) :
		    d->slot, .id = d->device_id, .vectors = d->vectors,
		    .disable_legacy = d->disable_legacy,
		    .disable_modern = d->disable_modern },
		.disk = m->disk[n], .serial = d->serial,
		.queues = d->queues, .queue_size = d->queue_size,
		.logical_block = d->logical_block,
		.physical_block = d->physical_block,
		.cylinders = d->cylinders, .heads = d->heads,
		.sectors = d->sectors, .no_discard = d->no_discard,
		.no_write_zeroes = d->no_write_zeroes,
		.no_config_wce = d->no_config_wce,
	};

	if (virtio_blk_new(m->pci, m->board, m->mem, &c, err) < 0)
		return -err->code;
	m->devfn[n] = PCI_DEVFN(c.pci.slot, 0);
	return 0;
}

static int
make_disks(struct machine *m, struct error *err)
{
	struct ide_config ide[4] = { { 0 } };
	struct disk *floppy[2] = { NULL };
	struct irq line[2] = { piix3_isa_irq(m->piix3, IRQ_IDE),
		piix3_isa_irq(m->piix3, IRQ_IDE + 1) };

	for (unsigned i = 0; i < m->config.drives; i++) {
		struct machine_drive *d = &m->config.drive[i];
		struct image *image = d->image;

		d->image = NULL;
		m->disk[i] = disk_new(m->board, image, d->id, d->read_only,
		    d->discard, err);
		if (!m->disk[i])
			return -err->code;
		if (d->bus == DRIVE_IDE)
			ide[d->index & 3] = (struct ide_config){
			    .disk = m->disk[i], .cd = d->cd,
			    .serial = d->serial, .model = d->model,
			    .firmware = d->firmware,
			    .cylinders = d->cylinders, .heads = d->heads,
			    .sectors = d->sectors };
		else if (d->bus == DRIVE_FLOPPY)
			floppy[d->index & 1] = m->disk[i];
		else if (d->bus == DRIVE_VIRTIO &&
		    make_virtio_disk(m, i, err) < 0)
			return -err->code;
	}
	if (piix3_ide_new(m->pci, m->bus, m->mem, 1, line, ide, &m->ide,
	    err) < 0)
		return -err->code;
	m->floppy = i82078_new(m->bus, m->dma, piix3_isa_irq(m->piix3,
	    IRQ_FLOPPY), floppy, err);
	return m->floppy ? 0 : -err->code;
}

/* --- Other devices on PCI ------------------------------------------------------------ */

static int
make_rng(struct machine *m, const struct machine_device *d,
    const struct virtio_pci_config *pci, struct error *err)
{
	struct virtio_rng_config c = { .pci = *pci,
		.max_bytes = d->max_bytes, .period_ms = d->period_ms };

	return virtio_rng_new(m->pci, m->board, m->mem, &c, err);
}

static int
make_ports(struct machine *m, const struct machine_device *d,
    const struct virtio_pci_config *pci, struct error *err)
{
	struct virtio_port_config port[MACHINE_PORTS];
	struct virtio_console_config c = { .pci = *pci, .ports = port,
		.n = d->ports, .max_ports = d->max_ports };

	for (unsigned i = 0; i < d->ports; i++) {
		const struct machine_port *p = &d->port[i];

		port[i] = (struct virtio_port_config){ .console = p->console,
			.name = p->name };
		port[i].chr = console_stream(m->console, &p->chr, "console",
		    err);
		if (!port[i].chr && err->code)
			return -err->code;
	}
	return virtio_console_new(m->pci, m->board, m->mem, &c, err);
}

static int
make_devices(struct machine *m, struct error *err)
{
	for (unsigned i = 0; i < m->config.devices; i++) {
		const struct machine_device *d = &m->config.device[i];
		const struct virtio_pci_config pci = {
			.slot = d->slot == MACHINE_ANY_SLOT ? PCI_ANY_SLOT :
			    d->slot,
			.id = d->id, .vectors = d->vectors,
			.disable_legacy = d->disable_legacy,
			.disable_modern = d->disable_modern,
		};

		switch (d->kind) {
		case DEVICE_RNG:
			if (make_rng(m, d, &pci, err) < 0)
				return -err->code;
			break;
		case DEVICE_SERIAL:
			if (make_ports(m, d, &pci, err) < 0)
				return -err->code;
			break;
		case DEVICE_TESTDEV:
			if (pci_testdev_new(m->pci, pci.slot, d->id, err) < 0)
				return -err->code;
			break;
		}
	}
	return 0;
}

static int
tell_firmware(struct machine *m, struct error *err)
{
	struct firmware_board b = { .mem = m->mem, .rtc = m->rtc,
		.ide = m->ide, .floppy = m->floppy, .hpet = m->hpet,
		.hpet_id = HPET_ID };

	memcpy(b.devfn, m->devfn, sizeof(b.devfn));
	return firmware_tell(m->firmware, &m->config, &b, err);
}

static int
make_console(struct machine *m, struct error *err)
{
	struct console_board b = { .machine = m, .mem = m->mem, .pci = m->pci,
		.processors = m->processors, .disk = m->disk,
		.input = i8042_input(m->i8042) };

	if (m->vga)
		b.screen = vga_source(m->vga);
	return console_start(m->console, &b, err);
}

/* All is open, and no thread is there yet that a guest could use. */
static int
close_in(struct machine *m, struct error *err)
{
	return m->config.sandbox ? sandbox_enter(m->config.sandbox, err) : 0;
}

/* --- Reset, stop and go: in the loop's thread ------------------------------------- */

static void
reset_devices(struct machine *m)
{
	pci_bus_reset(m->pci);
	mc146818_reset(m->rtc);
	i8042_reset(m->i8042);
	port92_reset(m->port92);
	port61_reset(m->port61);
	i8237_reset(m->dma);
	i82078_reset(m->floppy);
	for (unsigned i = 0; i < MACHINE_SERIALS; i++) {
		if (m->serial[i])
			i16550_reset(m->serial[i]);
	}
	firmware_reset(m->firmware);
	if (m->hpet)
		hpet_reset(m->hpet);
	i8254_reset(m->pit);
}

static void
tell_line(void *arg, const char *text)
{
	log_line("%s", text);
}

static void
tell_registers(struct machine *m)
{
	struct vcpus *v = processors_vcpus(m->processors);
	struct cpu_regs r;

	for (unsigned i = 0; i < vcpus_n(v); i++) {
		vcpus_engine(v)->get(vcpus_cpu(v, i), &r);
		log_line("reset: processor %u", i);
		inspect_registers(&r, mem_a20(m->mem), tell_line, NULL);
	}
}

static void
reset_now(void *opaque)
{
	struct machine *m = opaque;

	if (m->config.no_reboot) {
		board_quit(m->board, 0);
		return;
	}
	processors_hold(m->processors);
	if (log_on(LOG_CPU_RESET))
		tell_registers(m);
	reset_devices(m);
	processors_reset(m->processors);
	if (!m->stopped)
		processors_go(m->processors);
}

/* Makes processors and clock do what "stopped" says. */
static void
stop_or_go(void *opaque)
{
	struct machine *m = opaque;

	if (m->stopped) {
		processors_hold(m->processors);
		board_stop_clock(m->board);
	} else {
		board_start_clock(m->board);
		processors_go(m->processors);
	}
}

void
machine_stop(struct machine *m)
{
	m->stopped = true;
	stop_or_go(m);
}

void
machine_continue(struct machine *m)
{
	m->stopped = false;
	stop_or_go(m);
}

bool
machine_is_running(const struct machine *m)
{
	return !m->stopped;
}

void
machine_reset(struct machine *m)
{
	board_post(m->board, &m->reset_work);
}

void
machine_power_button(struct machine *m)
{
	piix4_pm_button(m->pm);
}

/* --- What processors tell ------------------------------------------------------------ */

static void
triple_fault(void *opaque, unsigned id, const char *why)
{
	if (log_on(LOG_GUEST_ERRORS))
		log_line("cpu %u: %s", id, why);
	machine_reset(opaque);
}

/* Nothing that a guest did on purpose: say what, and end. */
static void
processor_failed(void *opaque, unsigned id, const char *why)
{
	struct machine *m = opaque;

	fprintf(stderr, "cowbird-emu: processor %u cannot go on: %s\n", id,
	    why);
	board_quit(m->board, 1);
}

/* From here on there are threads, which the board lock is for. */
static int
make_processors(struct machine *m, struct error *err)
{
	const struct vcpu_events events = { .shutdown = triple_fault,
		.failed = processor_failed, .opaque = m };
	int ret;

	board_lock(m->board);
	ret = processors_make(m->processors, &events, err);
	board_unlock(m->board);
	return ret;
}

/* --- The machine ------------------------------------------------------------------- */

struct machine *
machine_new(const struct machine_config *config, struct error *err)
{
	struct machine *m = calloc(1, sizeof(*m));
	struct error ignored;

	if (!m) {
		error_errno(err, ENOMEM, "machine");
		for (unsigned i = 0; i < config->drives; i++)
			image_close(config->drive[i].image, &ignored);
		return NULL;
	}
	m->config = *config;
	m->stopped = config->stopped;
	m->signals = -1;
	m->reset_work = (struct board_work){ .fn = reset_now, .opaque = m };
	m->start_work = (struct board_work){ .fn = stop_or_go, .opaque = m };
	if (make_core(m, err) < 0 || make_chipset(m, err) < 0 ||
	    make_video(m, err) < 0 ||
	    make_legacy(m, err) < 0 || make_hpet(m, err) < 0 ||
	    make_serial(m, err) < 0 ||
	    make_debug(m, err) < 0 || make_disks(m, err) < 0 ||
	    make_devices(m, err) < 0 ||
	    make_testdevs(m, err) < 0 ||
	    tell_firmware(m, err) < 0 ||
	    make_console(m, err) < 0 || close_in(m, err) < 0 ||
	    make_processors(m, err) < 0) {
		machine_free(m, &ignored);
		return NULL;
	}
	return m;
}

int
machine_run(struct machine *m)
{
	int code;

	board_post(m->board, &m->start_work);
	code = board_run(m->board);
	board_lock(m->board);
	processors_hold(m->processors);
	board_unlock(m->board);
	return code;
}

/* Disks first: what they have under way uses memory and controllers. */
int
machine_free(struct machine *m, struct error *err)
{
	struct error each;
	int ret = 0;

	if (!m)
		return 0;
	for (unsigned i = 0; i < m->config.drives; i++) {
		if (disk_free(m->disk[i], &each) < 0 && !ret) {
			*err = each;
			ret = -err->code;
		}
		/* Never handed on: machine_new() failed before. */
		if (image_close(m->config.drive[i].image, &each) < 0 && !ret) {
			*err = each;
			ret = -err->code;
		}
	}
	if (m->board)
		board_lock(m->board);
	if (m->processors)
		processors_hold(m->processors);
	pc_testdev_free(m->pc_testdev);
	debug_exit_free(m->debug_exit);
	for (unsigned i = 0; i < MACHINE_DEBUGCONS; i++)
		debugcon_free(m->debugcon[i]);
	for (unsigned i = 0; i < MACHINE_SERIALS; i++)
		i16550_free(m->serial[i]);
	i82078_free(m->floppy);
	port61_free(m->port61);
	hpet_free(m->hpet);
	i8254_free(m->pit);
	port92_free(m->port92);
	i8042_free(m->i8042);
	mc146818_free(m->rtc);
	pci_bus_free(m->pci);
	i8237_free(m->dma);
	console_free(m->console);
	firmware_free(m->firmware);
	mem_remove(m->no_video);
	/* Engines follow the memory's layout to the end. */
	processors_free(m->processors);
	bus_free(m->bus);
	mem_free(m->mem);
	board_fd_remove(m->signals_fd);
	if (m->board)
		board_unlock(m->board);
	board_free(m->board);
	if (m->signals >= 0)
		close(m->signals);
	free(m);
	return ret;
}
