/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide.c - an ATA channel: task file, interrupt, transfers
 *
 * A command is a chain of steps, each of which names the function that
 * follows it: data moves through the port (IDE_IN, IDE_OUT), the bus master
 * has to be started (IDE_DMA), the disk is at work (IDE_BUSY).  One request
 * to the disk is under way per drive.  A reset does not wait for it with the
 * lock held: the drive stays busy, what the request brings is dropped, and the
 * signature appears when it has ended.
 */
#include "dev/ide.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

static struct ide_drive *selected(struct ide_channel *ch)
{
	return &ch->drive[ch->selected];
}

/* ---- interrupt */

/* INTRQ is the selected drive's (volume 2, 9.3 ff); the bus master notes that
 * it rose. */
static void update_line(struct ide_channel *ch)
{
	bool level = selected(ch)->intrq && !(ch->control & IDE_NIEN);

	if (level && !ch->line)
		ch->bm.status |= 4;
	ch->line = level;
	irq_set(&ch->irq, level);
}

void ide_interrupt(struct ide_drive *d)
{
	d->intrq = true;
	update_line(d->ch);
}

/* ---- steps */

void ide_finish(struct ide_drive *d, uint8_t status, uint8_t error)
{
	d->phase = IDE_IDLE;
	d->status = IDE_DRDY | (d->cd ? 0 : IDE_DSC) | status;
	d->error = error;
	ide_interrupt(d);
}

void ide_busy(struct ide_drive *d)
{
	d->phase = IDE_BUSY;
	d->status = IDE_BSY | IDE_DRDY;
}

/* The next block of IN or OUT: the host may move it. */
static void offer_block(struct ide_drive *d, bool interrupt)
{
	unsigned n = (unsigned)min64(d->block, d->end - d->at);

	d->block_end = d->at + n;
	d->status = IDE_DRDY | IDE_DSC | IDE_DRQ;
	if (d->packet) {
		d->status = IDE_DRDY | IDE_DRQ;
		d->lba[1].now = n & 0xff;
		d->lba[2].now = n >> 8 & 0xff;
	}
	if (interrupt)
		ide_interrupt(d);
}

void ide_data_in(struct ide_drive *d, unsigned len, unsigned block,
    ide_then *then)
{
	d->phase = IDE_IN;
	d->at = 0;
	d->end = len;
	d->block = block;
	d->then = then;
	offer_block(d, true);
}

void ide_data_out(struct ide_drive *d, unsigned len, unsigned block,
    bool interrupt, ide_then *then)
{
	d->phase = IDE_OUT;
	d->at = 0;
	d->end = len;
	d->block = block;
	d->then = then;
	offer_block(d, interrupt);
}

static void data_moved(struct ide_drive *d, unsigned n)
{
	d->at += n;
	if (d->at < d->block_end)
		return;
	if (d->at < d->end) {
		offer_block(d, true);
		return;
	}
	ide_busy(d);
	d->then(d);
}

static uint32_t data_read(struct ide_drive *d, unsigned size)
{
	uint8_t b[4] = { 0 };
	unsigned n;

	if (d->phase != IDE_IN)
		return 0;
	n = (unsigned)min64(size, d->block_end - d->at);
	memcpy(b, d->buf + d->at, n);
	data_moved(d, n);
	return (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | b[1] << 8 | b[0];
}

static void data_write(struct ide_drive *d, unsigned size, uint32_t v)
{
	unsigned n;

	if (d->phase != IDE_OUT)
		return;
	n = (unsigned)min64(size, d->block_end - d->at);
	for (unsigned i = 0; i < n; i++)
		d->buf[d->at + i] = v >> 8 * i;
	data_moved(d, n);
}

void ide_wait_dma(struct ide_drive *d, ide_then *then)
{
	ide_busy(d);
	d->phase = IDE_DMA;
	d->then = then;
	if (bm_running(&d->ch->bm))
		then(d);
}

void ide_bm_started(struct ide_channel *ch)
{
	for (unsigned i = 0; i < 2; i++) {
		struct ide_drive *d = &ch->drive[i];

		if (d->phase == IDE_DMA && bm_running(&ch->bm)) {
			d->then(d);
			return;
		}
	}
}

/* ---- the disk */

static void end_reset(struct ide_drive *d)
{
	d->reset_after = false;
	ide_signature(d);
	if (d->cd)
		atapi_reset(d);
	else
		ata_reset(d);
}

static void disk_done(struct disk_req *r)
{
	struct ide_drive *d = r->opaque;

	d->in_disk = false;
	if (r->iov == d->ch->bm.iov) {
		if (r->op == DISK_READ)
			bm_wrote(&d->ch->bm);
		d->ch->bm.in_use = false;
	}
	if (d->abandoned) {
		d->abandoned = false;
		if (d->reset_after)
			end_reset(d);
	} else {
		d->done(d);
	}
	/* The other drive may have waited for the bus master. */
	ide_bm_started(d->ch);
}

static void submit(struct ide_drive *d, enum disk_op op, uint64_t off,
    uint64_t len, struct iovec *iov, int n, ide_then *done)
{
	ide_busy(d);
	d->in_disk = true;
	d->done = done;
	d->req = (struct disk_req){ .op = op, .off = off, .len = len,
	    .iov = iov, .iovcnt = n, .done = disk_done, .opaque = d,
	    .fua = op == DISK_WRITE && (d->fua || !d->write_cache) };
	disk_submit(d->disk, &d->req);
}

void ide_disk(struct ide_drive *d, enum disk_op op, uint64_t off, uint64_t len,
    ide_then *done)
{
	d->iov = (struct iovec){ d->buf, len };
	submit(d, op, off, len, &d->iov, 1, done);
}

void ide_disk_dma(struct ide_drive *d, enum disk_op op, uint64_t off,
    uint64_t len, ide_then *done)
{
	d->ch->bm.in_use = true;
	submit(d, op, off, len, d->ch->bm.iov, d->ch->bm.iovs, done);
}

bool ide_dma_now(struct ide_drive *d, uint64_t off, uint64_t len)
{
	struct bus_master *bm = &d->ch->bm;

	d->req = (struct disk_req){ .op = DISK_READ, .off = off, .len = len,
	    .iov = bm->iov, .iovcnt = bm->iovs };
	if (!disk_read_now(d->disk, &d->req))
		return false;
	bm_wrote(bm);
	return true;
}

/* ---- resets */

/* Volume 1, 5.14: what is there is told by what the registers hold. */
void ide_signature(struct ide_drive *d)
{
	d->count.now = d->lba[0].now = 1;
	d->lba[1].now = d->cd ? 0x14 : 0;
	d->lba[2].now = d->cd ? 0xeb : 0;
	d->error = 1;		/* diagnostics passed */
	d->phase = IDE_IDLE;
	d->packet = false;
	d->status = d->cd ? 0 : IDE_DRDY | IDE_DSC;
}

/* Ends what the drive does, and a reset begins: BSY until end_reset(). */
static void begin_reset(struct ide_drive *d)
{
	ide_busy(d);
	d->status = IDE_BSY;
	d->intrq = false;
	d->abandoned = d->in_disk;
}

static void go_on_reset(struct ide_drive *d)
{
	if (d->in_disk)
		d->reset_after = true;
	else
		end_reset(d);
}

void ide_control(struct ide_channel *ch, uint8_t v)
{
	uint8_t changed = ch->control ^ v;

	ch->control = v;
	for (unsigned i = 0; i < 2 && changed & IDE_SRST; i++) {
		struct ide_drive *d = &ch->drive[i];

		if (!d->disk)
			continue;
		if (v & IDE_SRST) {
			d->reset_after = false;
			begin_reset(d);
		} else {
			go_on_reset(d);
		}
	}
	if (changed & IDE_SRST) {
		ch->selected = 0;
		ch->device = 0;
	}
	update_line(ch);
}

void ide_reset(struct ide_channel *ch)
{
	ch->control = 0;
	ch->selected = 0;
	ch->device = 0;
	bm_reset(&ch->bm);
	for (unsigned i = 0; i < 2; i++) {
		struct ide_drive *d = &ch->drive[i];

		d->write_cache = true;
		d->mdma = d->udma = 0;
		d->multiple = 0;
		d->cur_heads = d->heads;
		d->cur_sectors = d->sectors;
		if (d->disk) {
			begin_reset(d);
			go_on_reset(d);
		}
	}
	update_line(ch);
}

/* ---- registers */

static uint8_t task(const struct ide_channel *ch, const struct ide_task *t)
{
	return ch->control & IDE_HOB ? t->before : t->now;
}

uint8_t ide_alt_status(const struct ide_channel *ch)
{
	const struct ide_drive *d = &ch->drive[ch->selected];

	if (d->disk)
		return d->status;
	/* Drive 0 answers for a drive 1 that is not there; alone nobody
	 * pulls the lines, but for DD7. */
	return ch->drive[!ch->selected].disk ? 0 : 0x7f;
}

uint64_t ide_read(struct ide_channel *ch, unsigned off, unsigned size)
{
	struct ide_drive *d = selected(ch);
	uint8_t v;

	if (!ch->drive[0].disk && !ch->drive[1].disk)
		return off == 7 ? 0x7f : UINT64_MAX;
	if (off == 0)
		return d->disk ? data_read(d, size) : UINT64_MAX;
	if (!d->disk)
		d = &ch->drive[!ch->selected];
	switch (off) {
	case 1:
		return d->error;
	case 2:
		return task(ch, &d->count);
	case 3: case 4: case 5:
		return task(ch, &d->lba[off - 3]);
	case 6:
		return ch->device | 0xa0;
	}
	v = ide_alt_status(ch);
	if (selected(ch)->intrq) {
		selected(ch)->intrq = false;
		update_line(ch);
	}
	return v;
}

static void task_set(struct ide_task *t, uint8_t v)
{
	t->before = t->now;
	t->now = v;
}

static void device_reset(struct ide_drive *d)
{
	begin_reset(d);
	go_on_reset(d);
}

static void command(struct ide_channel *ch, uint8_t v)
{
	struct ide_drive *d = selected(ch);

	/* EXECUTE DEVICE DIAGNOSTIC is for both (volume 1, 6.12). */
	if (v == 0x90 && !ch->drive[0].in_disk && !ch->drive[1].in_disk) {
		for (unsigned i = 0; i < 2; i++)
			if (ch->drive[i].disk)
				ide_signature(&ch->drive[i]);
		ch->selected = 0;
		ch->device = 0;
		if (ch->drive[0].disk)
			ide_interrupt(&ch->drive[0]);
		return;
	}
	if (!d->disk || ch->control & IDE_SRST)
		return;
	d->intrq = false;
	update_line(ch);
	if (v == 0x08 && d->cd) {
		device_reset(d);
		return;
	}
	/* A busy drive takes no command. */
	if (d->in_disk || d->phase == IDE_DMA)
		return;
	d->command = v;
	d->packet = false;
	d->fua = false;
	d->error = 0;
	ide_busy(d);
	if (d->cd)
		atapi_command(d);
	else
		ata_command(d);
}

void ide_write(struct ide_channel *ch, unsigned off, unsigned size, uint32_t v)
{
	if (off == 0) {
		if (selected(ch)->disk)
			data_write(selected(ch), size, v);
		return;
	}
	if (off == 7) {
		command(ch, v);
		return;
	}
	if (off == 6) {
		ch->device = v & 0x5f;
		ch->selected = v >> 4 & 1;
		update_line(ch);
	}
	/* Both drives hear it (volume 2, 9.2).  Writing shows the present
	 * contents again. */
	ch->control &= ~IDE_HOB;
	for (unsigned i = 0; i < 2; i++) {
		struct ide_drive *d = &ch->drive[i];

		if (d->status & IDE_BSY)
			continue;
		if (off == 1)
			task_set(&d->feature, v);
		else if (off == 2)
			task_set(&d->count, v);
		else if (off <= 5)
			task_set(&d->lba[off - 3], v);
	}
}

/* ---- the drives */

void ide_text(uint8_t *at, const char *text, unsigned len)
{
	size_t n = strlen(text);

	for (unsigned i = 0; i < len; i++)
		at[i ^ 1] = i < n ? (uint8_t)text[i] : ' ';
}

static int text_option(char *to, size_t room, const char *text,
    const char *usual, const char *what, struct error *err)
{
	if (!text)
		text = usual;
	if (strlen(text) >= room)
		return error_set(err, EINVAL, "a drive's %s has at most %zu "
		    "characters: '%s'", what, room - 1, text);
	for (const char *p = text; *p; p++)
		if (*p < ' ' || *p > '~')
			return error_set(err, EINVAL, "a drive's %s holds "
			    "only printable ASCII", what);
	strcpy(to, text);
	return 0;
}

/* Without the user's word: 16 heads, 63 sectors, at most 16383 cylinders. */
static int geometry(struct ide_drive *d, const struct ide_config *c,
    struct error *err)
{
	uint64_t n = disk_size(d->disk) / IDE_SECTOR;

	if (c->cylinders || c->heads || c->sectors) {
		if (!c->cylinders || c->cylinders > 65535 || !c->heads ||
		    c->heads > 16 || !c->sectors || c->sectors > 255)
			return error_set(err, EINVAL, "no drive has %u "
			    "cylinders, %u heads, %u sectors", c->cylinders,
			    c->heads, c->sectors);
		d->cylinders = c->cylinders;
		d->heads = c->heads;
		d->sectors = c->sectors;
		return 0;
	}
	d->heads = 16;
	d->sectors = 63;
	d->cylinders = (unsigned)min64(max64(n / (16 * 63), 2), 16383);
	return 0;
}

static int drive_init(struct ide_drive *d, const struct ide_config *c,
    unsigned n, struct error *err)
{
	char serial[21];
	int rc;

	d->disk = c->disk;
	d->cd = c->cd;
	snprintf(serial, sizeof(serial), "CB%05u", n + 1);
	if ((rc = text_option(d->model, sizeof(d->model), c->model,
	    c->cd ? "COWBIRD DVD-ROM" : "COWBIRD HARDDISK", "model", err)) ||
	    (rc = text_option(d->serial, sizeof(d->serial), c->serial, serial,
	    "serial number", err)) ||
	    (rc = text_option(d->firmware, sizeof(d->firmware), c->firmware,
	    "1.0", "firmware version", err)) ||
	    (rc = geometry(d, c, err)))
		return rc;
	d->buf = calloc(1, IDE_BUF);
	if (!d->buf)
		return error_set(err, ENOMEM, "no memory for a drive");
	return 0;
}

int ide_init(struct ide_channel *ch, unsigned number,
    const struct ide_config config[2], struct irq irq, struct error *err)
{
	ch->irq = irq;
	for (unsigned i = 0; i < 2; i++) {
		struct ide_drive *d = &ch->drive[i];
		int rc;

		d->ch = ch;
		if (config[i].disk && (rc = drive_init(d, &config[i],
		    number * 2 + i, err)))
			return rc;
	}
	ide_reset(ch);
	return 0;
}

void ide_fini(struct ide_channel *ch)
{
	for (unsigned i = 0; i < 2; i++)
		free(ch->drive[i].buf);
}
