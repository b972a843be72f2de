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
 * the 8259s.  A reset request may come from within a device: it is done later, in the
 * loop's thread, with the processors stopped.
 */
#include "machine.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "cpu/model.h"
#include "dev/debug_exit.h"
#include "dev/debugcon.h"
#include "dev/i16550.h"
#include "dev/i440fx.h"
#include "dev/i8042.h"
#include "dev/i82078.h"
#include "dev/i8237.h"
#include "dev/mc146818.h"
#include "dev/piix3.h"
#include "dev/piix3_ide.h"
#include "dev/piix4_pm.h"
#include "dev/port61.h"
#include "dev/port92.h"
#include "firmware.h"
#include "image.h"

enum { IRQ_KEYBOARD = 1, IRQ_COM2 = 3, IRQ_COM1 = 4, IRQ_FLOPPY = 6,
	IRQ_RTC = 8, IRQ_SCI = 9, IRQ_MOUSE = 12, IRQ_IDE = 14 };

enum { VIDEO = 0xa0000, VIDEO_SIZE = 0x20000 };

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
	struct debugcon *debugcon;
	struct debug_exit *debug_exit;
	struct chardev *chr[MACHINE_SERIALS + 1];
	struct disk *disk[MACHINE_DRIVES];

	bool a20[2];
	struct board_work reset_work;

	struct cpu_model *model;
	const struct cpu_engine *engine;
	struct cpu *cpu;
	struct cpu_apic apic;
	pthread_t thread;
	bool has_thread, stop, paused, quit;
	pthread_mutex_t lock;
	pthread_cond_t changed;
};

void
machine_defaults(struct machine_config *c)
{
	*c = (struct machine_config){
		.ram = 128 * MIB,
		.cpus = 1,
		.debugcon_port = 0x402,
		.boot_menu_ms = -1,
		.rtc_start = time(NULL),
		.rtc_host = true,
	};
}

/* --- Processors --------------------------------------------------------------- */

static int
no_interrupt(void *opaque)
{
	return -1;
}

static uint32_t
apic_read(void *opaque, unsigned reg)
{
	return 0;
}

static void
apic_write(void *opaque, unsigned reg, uint32_t v)
{
}

static bool
apic_rdmsr(void *opaque, uint32_t msr, uint64_t *v)
{
	*v = 0xfee00900;
	return true;
}

static bool
apic_wrmsr(void *opaque, uint32_t msr, uint64_t v)
{
	return true;
}

static uint64_t
apic_base(void *opaque)
{
	return 0xfee00000;
}

static uint8_t
apic_tpr(void *opaque)
{
	return 0;
}

static void
apic_set_tpr(void *opaque, uint8_t v)
{
}

static void *
run(void *opaque)
{
	struct machine *m = opaque;

	pthread_mutex_lock(&m->lock);
	while (!m->quit) {
		enum cpu_exit why;

		if (m->stop) {
			m->paused = true;
			pthread_cond_broadcast(&m->changed);
			pthread_cond_wait(&m->changed, &m->lock);
			continue;
		}
		m->paused = false;
		pthread_mutex_unlock(&m->lock);
		why = m->engine->run(m->cpu);
		if (why == CPU_EXIT_HALT)
			m->engine->wait(m->cpu);
		pthread_mutex_lock(&m->lock);
		if (why == CPU_EXIT_SHUTDOWN || why == CPU_EXIT_ERROR) {
			fprintf(stderr, "cowbird-emu: processor: %s\n",
			    why == CPU_EXIT_ERROR ? m->engine->why(m->cpu) :
			    "triple fault");
			board_quit(m->board, 1);
			break;
		}
	}
	m->paused = true;
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

static int
make_processors(struct machine *m, struct error *err)
{
	m->apic = (struct cpu_apic){ .opaque = m,
		.acknowledge = no_interrupt, .read = apic_read,
		.write = apic_write, .rdmsr = apic_rdmsr,
		.wrmsr = apic_wrmsr, .base = apic_base, .tpr = apic_tpr,
		.set_tpr = apic_set_tpr };
	m->engine = &cpu_interp;
	m->model = cpu_model_new(m->config.model ? m->config.model : "max",
	    m->config.cpus, err);
	if (!m->model)
		return -err->code;
	m->cpu = m->engine->new(m->mem, m->bus, m->model, 0, &m->apic, err);
	if (!m->cpu)
		return -err->code;
	m->engine->reset(m->cpu);
	return 0;
}

/* --- Wires ------------------------------------------------------------------------ */

static void
isa_out(void *sink, unsigned n, bool level)
{
}

static void
pirq(void *opaque, unsigned line, bool level)
{
	struct machine *m = opaque;

	piix3_pirq(m->piix3, line, level);
}

static void
msi_out(void *sink, uint64_t addr, uint32_t data)
{
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

	if (type == 0)
		board_quit(m->board, 0);
}

/* --- Parts -------------------------------------------------------------------------- */

static int
make_core(struct machine *m, struct error *err)
{
	m->board = board_new(err);
	if (!m->board)
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
	return m->firmware ? 0 : -err->code;
}

static int
make_chipset(struct machine *m, struct error *err)
{
	struct piix3_wires piix3 = { .reset = wire(m, reset_asked, 0) };
	struct piix4_pm_wires pm = { .sleep = sleep_asked, .opaque = m };

	for (unsigned i = 0; i < 16; i++)
		piix3.isa[i] = wire(m, isa_out, i);
	m->pci = pci_bus_new(m->mem, m->bus, (struct msi_sink){
	    .send = msi_out, .sink = m }, pirq, m, err);
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
	struct port61_wires none = { 0 };

	if (rtc.host)
		rtc.start -= time(NULL);
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
	m->port61 = port61_new(m->bus, m->board, &none, err);
	return m->port61 ? 0 : -err->code;
}

static int
make_stream(struct machine *m, unsigned n, const struct chardev_config *c,
    struct error *err)
{
	if (c->kind == CHARDEV_NONE)
		return 0;
	m->chr[n] = chardev_new(m->board, c, err);
	return m->chr[n] ? 0 : -err->code;
}

static int
make_serial(struct machine *m, struct error *err)
{
	static const struct { uint16_t port; uint8_t irq; } at[] = {
		{ 0x3f8, IRQ_COM1 }, { 0x2f8, IRQ_COM2 },
	};
	const struct machine_config *c = &m->config;

	for (unsigned i = 0; i < MACHINE_SERIALS; i++) {
		struct irq irq = piix3_isa_irq(m->piix3, at[i].irq);

		if (make_stream(m, i, &c->serial[i], err) < 0)
			return -err->code;
		if (!m->chr[i])
			continue;
		m->serial[i] = i16550_new(m->bus, m->board, at[i].port, &irq,
		    m->chr[i], err);
		if (!m->serial[i])
			return -err->code;
	}
	if (make_stream(m, MACHINE_SERIALS, &c->debugcon, err) < 0)
		return -err->code;
	if (m->chr[MACHINE_SERIALS]) {
		m->debugcon = debugcon_new(m->bus, c->debugcon_port,
		    m->chr[MACHINE_SERIALS], err);
		if (!m->debugcon)
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
			    .serial = d->serial };
		else if (d->bus == DRIVE_FLOPPY)
			floppy[d->index & 1] = m->disk[i];
		else
			return error_set(err, ENOTSUP,
			    "virtio drives are not there yet");
	}
	if (piix3_ide_new(m->pci, m->bus, m->mem, 1, line, ide, &m->ide,
	    err) < 0)
		return -err->code;
	m->floppy = i82078_new(m->bus, m->dma, piix3_isa_irq(m->piix3,
	    IRQ_FLOPPY), floppy, err);
	return m->floppy ? 0 : -err->code;
}

static int
tell_firmware(struct machine *m, struct error *err)
{
	struct firmware_board b = { .mem = m->mem, .rtc = m->rtc,
		.ide = m->ide, .floppy = m->floppy };

	return firmware_tell(m->firmware, &m->config, &b, err);
}

/* --- Reset, in the order of the board's wiring ------------------------------- */

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
}

static void
pause_processors(struct machine *m)
{
	pthread_mutex_lock(&m->lock);
	m->stop = true;
	m->engine->request(m->cpu, CPU_REQ_EXIT);
	while (m->has_thread && !m->paused)
		pthread_cond_wait(&m->changed, &m->lock);
	pthread_mutex_unlock(&m->lock);
}

static void
resume_processors(struct machine *m)
{
	pthread_mutex_lock(&m->lock);
	m->stop = false;
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
}

static void
reset_now(void *opaque)
{
	struct machine *m = opaque;

	if (m->config.no_reboot) {
		board_quit(m->board, 0);
		return;
	}
	/* A processor may be waiting for the lock. */
	board_unlock(m->board);
	pause_processors(m);
	board_lock(m->board);
	reset_devices(m);
	m->engine->reset(m->cpu);
	resume_processors(m);
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
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->changed, NULL);
	m->reset_work = (struct board_work){ .fn = reset_now, .opaque = m };
	if (make_core(m, err) < 0 || make_chipset(m, err) < 0 ||
	    make_legacy(m, err) < 0 || make_serial(m, err) < 0 ||
	    make_disks(m, err) < 0 || tell_firmware(m, err) < 0 ||
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

	if (pthread_create(&m->thread, NULL, run, m) != 0)
		return 1;
	m->has_thread = true;
	code = board_run(m->board);
	pthread_mutex_lock(&m->lock);
	m->quit = true;
	m->engine->request(m->cpu, CPU_REQ_EXIT);
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
	pthread_join(m->thread, NULL);
	m->has_thread = false;
	return code;
}

void
machine_quit(struct machine *m, int code)
{
	board_quit(m->board, code);
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
	if (m->cpu)
		m->engine->free(m->cpu);
	cpu_model_free(m->model);
	debug_exit_free(m->debug_exit);
	debugcon_free(m->debugcon);
	for (unsigned i = 0; i < MACHINE_SERIALS; i++)
		i16550_free(m->serial[i]);
	i82078_free(m->floppy);
	port61_free(m->port61);
	port92_free(m->port92);
	i8042_free(m->i8042);
	mc146818_free(m->rtc);
	pci_bus_free(m->pci);
	i8237_free(m->dma);
	for (unsigned i = 0; i <= MACHINE_SERIALS; i++)
		chardev_free(m->chr[i]);
	firmware_free(m->firmware);
	mem_remove(m->no_video);
	bus_free(m->bus);
	mem_free(m->mem);
	board_free(m->board);
	pthread_mutex_destroy(&m->lock);
	pthread_cond_destroy(&m->changed);
	free(m);
	return ret;
}
