/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i82078.c - the floppy disk controller
 *
 * A command is a code with parameters written into the FIFO, an execution
 * phase that moves sectors by DMA or through the FIFO, and result bytes.  The
 * FIFO is an array with a length that comes from a table of our own: what the
 * guest writes never is an index (hence no byte is written past it, whatever
 * the order of accesses).
 *
 * A read takes all it may need from the disk first, a write gives all it got
 * at the end: at most both sides of a track.  Seeks take no time.
 *
 * Registers and commands: Intel 82078 data sheet (290468), cited by section.
 */
#include "dev/i82078.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

enum { CHANNEL = 2, SECTOR = 512, FIFO = 20, BUF = 2 * 36 * SECTOR };

/* Digital output, 2.1.3; main status, 2.1.6. */
enum { DOR_RUN = 0x04, DOR_DMA = 0x08 };
enum { MSR_BUSY = 0x10, MSR_NON_DMA = 0x20, MSR_OUT = 0x40, MSR_READY = 0x80 };
/* Status registers 0 to 3, 8.0. */
enum { ST0_BAD = 0x40, ST0_INVALID = 0x80, ST0_CHANGED = 0xc0, ST0_SEEK = 0x20,
	ST0_CHECK = 0x10 };
enum { ST1_MA = 0x01, ST1_NW = 0x02, ST1_ND = 0x04, ST1_DE = 0x20,
	ST1_EN = 0x80 };
enum { ST2_WC = 0x10 };

enum phase { COMMAND, EXECUTE_IN, EXECUTE_OUT, AT_DISK, RESULT };

struct kind {
	uint32_t bytes;
	uint8_t cylinders, heads, sectors;
	uint8_t cmos;		/* kind of drive */
	uint8_t rates;		/* bit set of CCR values that read it */
};

/* Largest last; an image of another size is taken for the next larger. */
static const struct kind kinds[] = {
	{ 160 * 1024, 40, 1, 8, 1, 0x06 },
	{ 180 * 1024, 40, 1, 9, 1, 0x06 },
	{ 320 * 1024, 40, 2, 8, 1, 0x06 },
	{ 360 * 1024, 40, 2, 9, 1, 0x06 },
	{ 720 * 1024, 80, 2, 9, 4, 0x06 },
	{ 1200 * 1024, 80, 2, 15, 2, 0x01 },
	{ 1440 * 1024, 80, 2, 18, 4, 0x01 },
	{ 2880 * 1024, 80, 2, 36, 5, 0x08 },
};

struct drive {
	struct disk *disk;
	struct kind kind;
	uint8_t cylinder;	/* where the heads are */
	uint8_t turned;		/* sectors that passed, for READ ID */
	bool changed;		/* until the next step */
};

struct i82078 {
	struct i8237 *dma;
	struct irq irq;
	struct bus_region *region[2];
	struct drive drive[4];	/* 2 and 3 have no disk */

	uint8_t dor, tdr, rate;
	bool line;
	uint8_t pending[4];	/* ST0 for SENSE INTERRUPT STATUS; 0: none */
	/* CONFIGURE, SPECIFY, PERPENDICULAR MODE, LOCK */
	uint8_t config, precomp, srt_hut, hlt_nd, perpendicular;
	bool locked;

	enum phase phase;
	uint8_t fifo[FIFO];
	unsigned len, at;	/* expected or there; done */

	/* The command under way. */
	struct drive *d;
	uint8_t c, h, r, eot;	/* next sector */
	bool both_sides, write, verify, format, ended_by_count;
	uint8_t fill;
	unsigned format_at;
	uint8_t *buf;
	unsigned data_len, data_at;
	bool more_than_medium;	/* it asked for sectors that are not there */
	struct disk_req req;
	struct iovec iov;
	bool in_disk, abandoned;
	void (*then)(struct i82078 *);
};

/* ---- interrupt */

static void set_line(struct i82078 *f, bool on)
{
	f->line = on;
	irq_set(&f->irq, on && f->dor & DOR_DMA);
}

/* ---- phases */

static void wait_command(struct i82078 *f)
{
	f->phase = COMMAND;
	f->len = f->at = 0;
}

/* n result bytes lie in fifo. */
static void give_result(struct i82078 *f, unsigned n, bool interrupt)
{
	f->phase = RESULT;
	f->len = n;
	f->at = 0;
	if (interrupt)
		set_line(f, true);
}

/* The seven bytes after data commands, 5.2. */
static void give_status(struct i82078 *f, uint8_t st0, uint8_t st1, uint8_t st2)
{
	unsigned unit = (unsigned)(f->d - f->drive);

	f->fifo[0] = st0 | (f->h & 1) << 2 | unit;
	f->fifo[1] = st1;
	f->fifo[2] = st2;
	f->fifo[3] = f->c;
	f->fifo[4] = f->h;
	f->fifo[5] = f->r;
	f->fifo[6] = 2;
	give_result(f, 7, true);
}

static void invalid(struct i82078 *f)
{
	f->fifo[0] = ST0_INVALID;
	give_result(f, 1, false);
}

/* ---- the disk */

static void after_reset(struct i82078 *f);

static void disk_done(struct disk_req *r)
{
	struct i82078 *f = r->opaque;

	f->in_disk = false;
	if (f->abandoned) {
		f->abandoned = false;
		if (f->dor & DOR_RUN)
			after_reset(f);
		return;
	}
	f->then(f);
}

static void at_disk(struct i82078 *f, enum disk_op op, uint64_t off,
    unsigned len, void (*then)(struct i82078 *))
{
	f->phase = AT_DISK;
	f->in_disk = true;
	f->then = then;
	f->iov = (struct iovec){ f->buf, len };
	f->req = (struct disk_req){ .op = op, .off = off, .len = len,
	    .iov = &f->iov, .iovcnt = 1, .done = disk_done, .opaque = f };
	disk_submit(f->d->disk, &f->req);
}

static uint64_t place(const struct i82078 *f)
{
	const struct kind *k = &f->d->kind;

	return (((uint64_t)f->c * k->heads + f->h) * k->sectors + f->r - 1) *
	    SECTOR;
}

/* ---- READ, WRITE, VERIFY, FORMAT: checks and ends */

/* May the heads find sector c, h, r? Else ends the command. */
static bool find_sector(struct i82078 *f, bool needs_id)
{
	struct drive *d = f->d;

	if (!d->disk || !disk_has_medium(d->disk) ||
	    !(d->kind.rates & 1 << f->rate) || f->h >= d->kind.heads ||
	    d->cylinder >= d->kind.cylinders) {
		give_status(f, ST0_BAD, ST1_MA, 0);
		return false;
	}
	if (f->write && disk_read_only(d->disk)) {
		give_status(f, ST0_BAD, ST1_NW, 0);
		return false;
	}
	if (!needs_id)
		return true;
	if (f->c != d->cylinder) {
		give_status(f, ST0_BAD, ST1_ND, ST2_WC);
		return false;
	}
	if (!f->r || f->r > d->kind.sectors ||
	    !range_ok(place(f), SECTOR, disk_size(d->disk))) {
		give_status(f, ST0_BAD, ST1_ND, 0);
		return false;
	}
	return true;
}

/* The sector after the n-th from here, as table 8-1 has it. */
static void step_sectors(struct i82078 *f, unsigned n)
{
	for (; n; n--) {
		if (f->r != f->eot) {
			f->r++;
			continue;
		}
		f->r = 1;
		if (!f->both_sides || f->h & 1)
			f->c++;
		if (f->both_sides)
			f->h ^= 1;
	}
}

/* All there was to move has been moved, n sectors of it, at least in part. */
static void end_data(struct i82078 *f, unsigned n)
{
	bool all = f->ended_by_count || f->verify;

	step_sectors(f, n);
	if (f->more_than_medium && !all)
		give_status(f, ST0_BAD, ST1_ND, 0);
	else if (all)
		give_status(f, 0, 0, 0);
	else
		give_status(f, ST0_BAD, ST1_EN, 0);
}

/* How much the command may move at most: to EOT, and the other side's. */
static unsigned data_length(struct i82078 *f)
{
	const struct kind *k = &f->d->kind;
	unsigned last = f->eot, n;
	uint64_t room = disk_size(f->d->disk) - place(f);

	f->more_than_medium = last > k->sectors;
	if (f->more_than_medium)
		last = k->sectors;
	n = last >= f->r ? last - f->r + 1 : 1;
	if (f->both_sides && !f->more_than_medium && !f->h && k->heads > 1 &&
	    last == k->sectors)
		n += last;
	if (room / SECTOR < n) {
		n = (unsigned)(room / SECTOR);
		f->more_than_medium = true;
	}
	return n * SECTOR;
}

/* ---- execution */

static bool non_dma(const struct i82078 *f)
{
	return f->hlt_nd & 1;
}

static void format_next(struct i82078 *f);
static void written(struct i82078 *f);

static void data_complete(struct i82078 *f)
{
	if (f->phase == EXECUTE_IN) {
		end_data(f, (unsigned)div_up(f->data_at, SECTOR));
		return;
	}
	if (f->format) {
		f->data_len = f->data_at;
		f->format_at = 0;
		format_next(f);
		return;
	}
	if (!f->data_at) {
		end_data(f, 0);
		return;
	}
	/* The rest of a sector cut short is zeros. */
	f->data_len = (unsigned)align_up(f->data_at, SECTOR);
	memset(f->buf + f->data_at, 0, f->data_len - f->data_at);
	at_disk(f, DISK_WRITE, place(f), f->data_len, written);
}

/* Moves what the DMA controller takes; it calls again when it is unmasked. */
static void run_dma(void *opaque)
{
	struct i82078 *f = opaque;
	bool in = f->phase == EXECUTE_IN, end;

	if ((!in && f->phase != EXECUTE_OUT) || non_dma(f) ||
	    !(f->dor & DOR_DMA))
		return;
	f->data_at += i8237_move(f->dma, CHANNEL, f->buf + f->data_at,
	    f->data_len - f->data_at, in, &end);
	f->ended_by_count = end;
	if (end || f->data_at == f->data_len)
		data_complete(f);
}

static void execute(struct i82078 *f, enum phase phase, unsigned len)
{
	f->phase = phase;
	f->data_len = len;
	f->data_at = 0;
	f->ended_by_count = false;
	if (non_dma(f))
		set_line(f, true);
	else
		run_dma(f);
}

static void failed(struct i82078 *f)
{
	give_status(f, ST0_BAD, ST1_DE, 0);
}

static void have_read(struct i82078 *f)
{
	if (f->req.ret)
		failed(f);
	else if (f->verify)
		end_data(f, f->data_len / SECTOR);
	else
		execute(f, EXECUTE_IN, f->data_len);
}

static void written(struct i82078 *f)
{
	if (f->req.ret)
		failed(f);
	else
		end_data(f, f->data_len / SECTOR);
}

/* FORMAT TRACK: buf begins with four bytes a sector, which say its name; the
 * sectors are written one by one from behind them. */
static void format_next(struct i82078 *f)
{
	if (f->format_at && f->req.ret) {
		failed(f);
		return;
	}
	while (f->format_at + 4 <= f->data_len) {
		uint8_t id[4];

		memcpy(id, f->buf + f->format_at, 4);
		f->format_at += 4;
		f->c = id[0];
		f->r = id[2];
		/* A name that is none of this track's cannot be kept. */
		if (id[0] != f->d->cylinder || id[1] != f->h || id[3] != 2 ||
		    !f->r || f->r > f->d->kind.sectors ||
		    !range_ok(place(f), SECTOR, disk_size(f->d->disk))) {
			give_status(f, ST0_BAD, ST1_ND, 0);
			return;
		}
		memset(f->buf + BUF - SECTOR, f->fill, SECTOR);
		f->phase = AT_DISK;
		f->in_disk = true;
		f->then = format_next;
		f->iov = (struct iovec){ f->buf + BUF - SECTOR, SECTOR };
		f->req = (struct disk_req){ .op = DISK_WRITE,
		    .off = place(f), .len = SECTOR, .iov = &f->iov,
		    .iovcnt = 1, .done = disk_done, .opaque = f };
		disk_submit(f->d->disk, &f->req);
		return;
	}
	give_status(f, 0, 0, 0);
}

/* ---- commands, 5.0 */

static struct drive *named(struct i82078 *f)
{
	f->d = &f->drive[f->fifo[1] & 3];
	return f->d;
}

static void seek_to(struct i82078 *f, struct drive *d, uint8_t cylinder)
{
	uint8_t unit = (uint8_t)(d - f->drive);

	if (d->disk && disk_has_medium(d->disk))
		d->changed = false;
	d->cylinder = cylinder;
	f->pending[unit] = ST0_SEEK | unit;
	wait_command(f);
	set_line(f, true);
}

static void read_write(struct i82078 *f)
{
	unsigned code = f->fifo[0] & 0x1f;

	named(f);
	f->c = f->fifo[2];
	f->h = f->fifo[3];
	f->r = f->fifo[4];
	f->eot = f->fifo[6];
	f->both_sides = f->fifo[0] & 0x80;
	f->write = code == 0x05 || code == 0x09;
	f->verify = code == 0x16;
	f->format = false;
	/* Implied seek (CONFIGURE). */
	if (f->config & 0x40)
		f->d->cylinder = f->c;
	/* Sectors of other sizes, and FM, are on no diskette of ours. */
	if (f->fifo[5] != 2 || !(f->fifo[0] & 0x40) ||
	    f->h != (f->fifo[1] >> 2 & 1)) {
		give_status(f, ST0_BAD, ST1_MA, 0);
		return;
	}
	if (!find_sector(f, true))
		return;
	f->data_len = data_length(f);
	if (f->write)
		execute(f, EXECUTE_OUT, f->data_len);
	else
		at_disk(f, DISK_READ, place(f), f->data_len, have_read);
}

static void format_track(struct i82078 *f)
{
	unsigned n = f->fifo[3];

	named(f);
	f->c = f->d->cylinder;
	f->h = f->fifo[1] >> 2 & 1;
	f->r = f->eot = 1;
	f->fill = f->fifo[5];
	f->write = f->format = true;
	f->both_sides = f->verify = false;
	if (f->fifo[2] != 2 || !(f->fifo[0] & 0x40)) {
		give_status(f, ST0_BAD, ST1_MA, 0);
		return;
	}
	if (!find_sector(f, false))
		return;
	if (!n)
		give_status(f, 0, 0, 0);
	else
		execute(f, EXECUTE_OUT, 4 * n);
}

static void read_id(struct i82078 *f)
{
	struct drive *d = named(f);

	f->c = d->cylinder;
	f->h = f->fifo[1] >> 2 & 1;
	f->r = 1;
	f->write = false;
	if (!(f->fifo[0] & 0x40)) {
		give_status(f, ST0_BAD, ST1_MA, 0);
		return;
	}
	if (!find_sector(f, false))
		return;
	d->turned = d->turned % d->kind.sectors + 1;
	f->r = d->turned;
	give_status(f, 0, 0, 0);
}

static void specify(struct i82078 *f)
{
	f->srt_hut = f->fifo[1];
	f->hlt_nd = f->fifo[2];
	wait_command(f);
}

static void sense_drive(struct i82078 *f)
{
	struct drive *d = named(f);
	uint8_t head = f->fifo[1] & 4;

	f->fifo[0] = 0x28 | head | (uint8_t)(d - f->drive) |
	    (d->cylinder ? 0 : 0x10) |
	    (d->disk && disk_read_only(d->disk) ? 0x40 : 0);
	give_result(f, 1, false);
}

static void recalibrate(struct i82078 *f)
{
	struct drive *d = named(f);

	seek_to(f, d, 0);
	/* No track 0 comes from a drive that is not there. */
	if (!d->disk)
		f->pending[d - f->drive] |= ST0_BAD | ST0_CHECK;
}

static void seek(struct i82078 *f)
{
	seek_to(f, named(f), f->fifo[2]);
}

static void relative_seek(struct i82078 *f)
{
	struct drive *d = named(f);
	int to = d->cylinder;

	to += f->fifo[0] & 0x40 ? f->fifo[2] : -f->fifo[2];
	seek_to(f, d, to < 0 ? 0 : to > 255 ? 255 : (uint8_t)to);
}

static void sense_interrupt(struct i82078 *f)
{
	for (unsigned i = 0; i < 4; i++) {
		if (!f->pending[i])
			continue;
		f->fifo[0] = f->pending[i];
		f->fifo[1] = f->drive[i].cylinder;
		f->pending[i] = 0;
		set_line(f, false);
		give_result(f, 2, false);
		return;
	}
	invalid(f);
}

static void dump_registers(struct i82078 *f)
{
	for (unsigned i = 0; i < 4; i++)
		f->fifo[i] = f->drive[i].cylinder;
	f->fifo[4] = f->srt_hut;
	f->fifo[5] = f->hlt_nd;
	f->fifo[6] = f->eot;
	f->fifo[7] = f->locked << 7 | (f->perpendicular & 0x7f);
	f->fifo[8] = f->config;
	f->fifo[9] = f->precomp;
	give_result(f, 10, false);
}

static void version(struct i82078 *f)
{
	f->fifo[0] = 0x90;
	give_result(f, 1, false);
}

static void part_id(struct i82078 *f)
{
	f->fifo[0] = 0x41;
	give_result(f, 1, false);
}

static void configure(struct i82078 *f)
{
	f->config = f->fifo[2];
	f->precomp = f->fifo[3];
	wait_command(f);
}

static void lock(struct i82078 *f)
{
	f->locked = f->fifo[0] & 0x80;
	f->fifo[0] = f->locked << 4;
	give_result(f, 1, false);
}

static void perpendicular_mode(struct i82078 *f)
{
	f->perpendicular = f->fifo[1];
	wait_command(f);
}

static void powerdown_mode(struct i82078 *f)
{
	f->fifo[0] = f->fifo[1];
	give_result(f, 1, false);
}

static void drive_specification(struct i82078 *f)
{
	/* Bytes up to one with bit 7; bit 6 asks for the four results. */
	if (f->fifo[f->len - 1] & 0x40) {
		memset(f->fifo, 0, 4);
		give_result(f, 4, false);
		return;
	}
	wait_command(f);
}

/* Codes as masks allow; bytes: the code and its parameters. */
static const struct command {
	uint8_t code, mask, bytes;
	void (*run)(struct i82078 *);
} commands[] = {
	{ 0x03, 0xff, 3, specify },
	{ 0x04, 0xff, 2, sense_drive },
	{ 0x05, 0x3f, 9, read_write },		/* WRITE DATA */
	{ 0x06, 0x1f, 9, read_write },		/* READ DATA */
	{ 0x07, 0xff, 2, recalibrate },
	{ 0x08, 0xff, 1, sense_interrupt },
	{ 0x09, 0x3f, 9, read_write },		/* WRITE DELETED DATA */
	{ 0x0a, 0xbf, 2, read_id },
	{ 0x0c, 0x1f, 9, read_write },		/* READ DELETED DATA */
	{ 0x0d, 0xbf, 6, format_track },
	{ 0x0e, 0xff, 1, dump_registers },
	{ 0x0f, 0xff, 3, seek },
	{ 0x10, 0xff, 1, version },
	{ 0x12, 0xff, 2, perpendicular_mode },
	{ 0x13, 0xff, 4, configure },
	{ 0x14, 0x7f, 1, lock },
	{ 0x16, 0x1f, 9, read_write },		/* VERIFY */
	{ 0x17, 0xff, 2, powerdown_mode },
	{ 0x18, 0xff, 1, part_id },
	{ 0x8e, 0xff, 2, drive_specification },
	{ 0x8f, 0xbf, 3, relative_seek },
};

static const struct command *find_command(uint8_t code)
{
	for (unsigned i = 0; i < ARRAY_LEN(commands); i++)
		if ((code & commands[i].mask) == commands[i].code)
			return &commands[i];
	return NULL;
}

static void command_byte(struct i82078 *f, uint8_t v)
{
	const struct command *c;

	if (!f->at) {
		c = find_command(v);
		f->len = c ? c->bytes : 1;
	}
	if (f->at >= FIFO)
		return;
	f->fifo[f->at++] = v;
	/* This one says itself how long it is. */
	if (f->fifo[0] == 0x8e && f->at == f->len && f->at < 7 && f->at > 1 &&
	    !(v & 0x80))
		f->len++;
	if (f->at < f->len)
		return;
	c = find_command(f->fifo[0]);
	if (c)
		c->run(f);
	else
		invalid(f);
}

/* ---- registers, 2.1 */

static uint8_t fifo_read(struct i82078 *f)
{
	uint8_t v;

	if (f->phase == EXECUTE_IN && non_dma(f)) {
		v = f->buf[f->data_at++];
		set_line(f, f->data_at < f->data_len);
		if (f->data_at == f->data_len)
			data_complete(f);
		return v;
	}
	if (f->phase != RESULT)
		return 0;
	v = f->fifo[f->at++];
	set_line(f, false);
	if (f->at == f->len)
		wait_command(f);
	return v;
}

static void fifo_write(struct i82078 *f, uint8_t v)
{
	if (!(f->dor & DOR_RUN) || f->abandoned)
		return;
	if (f->phase == EXECUTE_OUT && non_dma(f)) {
		f->buf[f->data_at++] = v;
		set_line(f, f->data_at < f->data_len);
		if (f->data_at == f->data_len)
			data_complete(f);
	} else if (f->phase == COMMAND) {
		command_byte(f, v);
	}
}

static uint8_t main_status(const struct i82078 *f)
{
	if (!(f->dor & DOR_RUN) || f->abandoned)
		return 0;
	switch (f->phase) {
	case COMMAND:
		return MSR_READY | (f->at ? MSR_BUSY : 0);
	case EXECUTE_IN:
		return MSR_BUSY | (non_dma(f) ?
		    MSR_READY | MSR_OUT | MSR_NON_DMA : 0);
	case EXECUTE_OUT:
		return MSR_BUSY | (non_dma(f) ? MSR_READY | MSR_NON_DMA : 0);
	case AT_DISK:
		return MSR_BUSY;
	case RESULT:
		return MSR_READY | MSR_OUT | MSR_BUSY;
	}
	return 0;
}

/* 4.0: the end of a reset is told as an interrupt of each drive. */
static void after_reset(struct i82078 *f)
{
	for (unsigned i = 0; i < 4; i++)
		f->pending[i] = ST0_CHANGED | i;
	set_line(f, true);
}

static void stop(struct i82078 *f)
{
	f->abandoned = f->in_disk;
	wait_command(f);
	memset(f->pending, 0, sizeof(f->pending));
	set_line(f, false);
	if (!f->locked)
		f->config = f->precomp = 0;
	f->perpendicular = 0;
}

static void set_dor(struct i82078 *f, uint8_t v)
{
	uint8_t before = f->dor;

	f->dor = v;
	if (before & DOR_RUN && !(v & DOR_RUN))
		stop(f);
	if (!(before & DOR_RUN) && v & DOR_RUN && !f->in_disk)
		after_reset(f);
	set_line(f, f->line);
	if (!(before & DOR_DMA))
		run_dma(f);
}

static void set_dsr(struct i82078 *f, uint8_t v)
{
	f->rate = v & 3;
	if (v & 0x80 && f->dor & DOR_RUN) {	/* resets itself */
		stop(f);
		if (!f->in_disk)
			after_reset(f);
	}
}

static uint64_t low_read(void *opaque, uint64_t off, unsigned size)
{
	struct i82078 *f = opaque;

	switch (off) {
	case 0:				/* status A: the interrupt */
		return f->line << 7;
	case 1:				/* status B: motors, drive */
		return 0xc0 | (f->dor >> 4 & 3) | (f->dor & 1) << 5;
	case 2:
		return f->dor;
	case 3:
		return f->tdr;
	case 4:
		return main_status(f);
	}
	return fifo_read(f);
}

static void low_write(void *opaque, uint64_t off, unsigned size, uint64_t v)
{
	struct i82078 *f = opaque;

	switch (off) {
	case 2:
		set_dor(f, v);
		break;
	case 3:
		f->tdr = v & 3;
		break;
	case 4:
		set_dsr(f, v);
		break;
	case 5:
		fifo_write(f, v);
		break;
	}
}

static const struct io_ops low_ops = { low_read, low_write, 1, 1 };

static uint64_t high_read(void *opaque, uint64_t off, unsigned size)
{
	struct i82078 *f = opaque;
	unsigned unit = f->dor & 3;
	const struct drive *d = &f->drive[unit];

	/* Only a drive whose motor runs says so. */
	return d->disk && f->dor & 0x10 << unit && d->changed ? 0x80 : 0;
}

static void high_write(void *opaque, uint64_t off, unsigned size, uint64_t v)
{
	((struct i82078 *)opaque)->rate = v & 3;
}

static const struct io_ops high_ops = { high_read, high_write, 1, 1 };

/* ---- the chip */

void i82078_reset(struct i82078 *f)
{
	f->locked = false;
	f->tdr = 0;
	f->rate = 2;
	f->srt_hut = f->hlt_nd = f->eot = 0;
	stop(f);
	f->dor = 0;
	for (unsigned i = 0; i < 4; i++) {
		f->drive[i].cylinder = f->drive[i].turned = 0;
		f->drive[i].changed = true;
	}
	set_line(f, false);
}

static struct kind kind_of(const struct disk *disk)
{
	unsigned i = 0;
	uint64_t size = disk_has_medium(disk) ? disk_size(disk) : 1440 * 1024;

	/* Odd sizes below 1.44M are parts of one of that size. */
	while (i < ARRAY_LEN(kinds) - 1 && kinds[i].bytes != size)
		i++;
	if (kinds[i].bytes != size)
		i = size <= 1440 * 1024 ? 6 : 7;
	return kinds[i];
}

struct i82078 *i82078_new(struct bus *bus, struct i8237 *dma, struct irq irq,
    struct disk *const drive[2], struct error *err)
{
	struct i82078 *f = calloc(1, sizeof(*f));

	if (!f || !(f->buf = calloc(1, BUF)))
		goto fail;
	f->dma = dma;
	f->irq = irq;
	f->d = &f->drive[0];
	for (unsigned i = 0; i < 2; i++) {
		f->drive[i].disk = drive[i];
		if (drive[i])
			f->drive[i].kind = kind_of(drive[i]);
	}
	i82078_reset(f);
	i8237_attach(dma, CHANNEL, run_dma, f);
	f->region[0] = bus_add(bus, 0x3f0, 6, &low_ops, f, "floppy");
	f->region[1] = bus_add(bus, 0x3f7, 1, &high_ops, f, "floppy");
	if (f->region[0] && f->region[1])
		return f;
fail:
	error_set(err, ENOMEM, "no memory for the floppy controller");
	i82078_free(f);
	return NULL;
}

void i82078_free(struct i82078 *f)
{
	if (!f)
		return;
	bus_remove(f->region[0]);
	bus_remove(f->region[1]);
	free(f->buf);
	free(f);
}

unsigned i82078_drive_kind(const struct i82078 *f, unsigned drive)
{
	return drive < 2 && f->drive[drive].disk ?
	    f->drive[drive].kind.cmos : 0;
}
