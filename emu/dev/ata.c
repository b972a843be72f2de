/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ata.c - the commands of an ATA disk
 *
 * A read or write by PIO goes through the drive's buffer, IDE_BUF at a time;
 * by DMA the disk reads and writes guest memory in place, as far as one step
 * of the bus master's table reaches, and then the next.
 *
 * Numbers of commands and bits: ATA/ATAPI-7 volume 1, clause 6.
 */
#include "dev/ide.h"

#include <string.h>

#include "base/bytes.h"

enum { LBA = 0x40 };		/* device register */
enum { MULTIPLE_MAX = 16 };

static uint64_t sectors_of(const struct ide_drive *d)
{
	return disk_size(d->disk) / IDE_SECTOR;
}

static void aborted(struct ide_drive *d)
{
	ide_finish(d, IDE_ERR, IDE_ABRT);
}

/* ---- addresses (volume 1, 4.2 and 6.1) */

/* What the registers name; false: no sector can have that address. */
static bool get_address(const struct ide_drive *d, bool ext, uint64_t *sector)
{
	uint8_t dev = d->ch->device;
	uint64_t lba = d->lba[0].now | d->lba[1].now << 8 |
	    d->lba[2].now << 16;

	if (ext) {
		*sector = lba | (uint64_t)d->lba[0].before << 24 |
		    (uint64_t)d->lba[1].before << 32 |
		    (uint64_t)d->lba[2].before << 40;
		return dev & LBA;
	}
	if (dev & LBA) {
		*sector = lba | (uint64_t)(dev & 15) << 24;
		return true;
	}
	if (!d->lba[0].now || d->lba[0].now > d->cur_sectors ||
	    (dev & 15) >= d->cur_heads)
		return false;
	*sector = ((uint64_t)(lba >> 8) * d->cur_heads + (dev & 15)) *
	    d->cur_sectors + d->lba[0].now - 1;
	return true;
}

static void put_address(struct ide_drive *d, bool ext, uint64_t s)
{
	struct ide_channel *ch = d->ch;

	if (!ext && !(ch->device & LBA)) {
		uint64_t track = s / d->cur_sectors;

		d->lba[0].now = s % d->cur_sectors + 1;
		ch->device = (ch->device & 0xf0) | track % d->cur_heads;
		d->lba[1].now = track / d->cur_heads & 0xff;
		d->lba[2].now = track / d->cur_heads >> 8 & 0xff;
		return;
	}
	for (unsigned i = 0; i < 3; i++)
		d->lba[i].now = s >> 8 * i;
	if (ext) {
		for (unsigned i = 0; i < 3; i++)
			d->lba[i].before = s >> (24 + 8 * i);
	} else {
		ch->device = (ch->device & 0xf0) | (s >> 24 & 15);
	}
}

/* Takes the range a command names: d->sector, d->left; false: it has ended. */
static bool get_range(struct ide_drive *d, bool ext)
{
	uint64_t n = sectors_of(d);

	d->ext = ext;
	d->left = d->count.now;
	if (ext)
		d->left |= (uint32_t)d->count.before << 8;
	if (!d->left)
		d->left = ext ? 65536 : 256;
	if (get_address(d, ext, &d->sector) && range_ok(d->sector, d->left, n))
		return true;
	ide_finish(d, IDE_ERR, IDE_IDNF);
	return false;
}

/* The disk could not: where, and that. */
static void failed(struct ide_drive *d)
{
	put_address(d, d->ext, d->sector);
	d->count.now = d->left;
	d->count.before = d->left >> 8;
	if (d->writing)
		aborted(d);
	else
		ide_finish(d, IDE_ERR, IDE_UNC);
}

static void moved_piece(struct ide_drive *d)
{
	d->sector += d->piece;
	d->left -= d->piece;
}

static void succeeded(struct ide_drive *d)
{
	put_address(d, d->ext, d->sector - 1);
	d->count.now = d->count.before = 0;
}

static void next_piece(struct ide_drive *d)
{
	d->piece = (uint32_t)min64(d->left, IDE_BUF / IDE_SECTOR);
}

/* ---- PIO */

static unsigned block_of(const struct ide_drive *d)
{
	bool multiple = d->command == 0xc4 || d->command == 0xc5 ||
	    d->command == 0x29 || d->command == 0x39 || d->command == 0xce;

	return IDE_SECTOR * (multiple ? d->multiple : 1);
}

static void read_piece(struct ide_drive *d);

static void piece_taken(struct ide_drive *d)
{
	moved_piece(d);
	if (d->left) {
		read_piece(d);
		return;
	}
	succeeded(d);
	/* After the last block there is no interrupt (volume 2, 9.5). */
	d->phase = IDE_IDLE;
	d->status = IDE_DRDY | IDE_DSC;
}

static void piece_read(struct ide_drive *d)
{
	if (d->req.ret)
		failed(d);
	else
		ide_data_in(d, d->piece * IDE_SECTOR, block_of(d),
		    piece_taken);
}

static void read_piece(struct ide_drive *d)
{
	next_piece(d);
	ide_disk(d, DISK_READ, d->sector * IDE_SECTOR,
	    (uint64_t)d->piece * IDE_SECTOR, piece_read);
}

static void piece_given(struct ide_drive *d);

static void piece_written(struct ide_drive *d)
{
	if (d->req.ret) {
		failed(d);
		return;
	}
	moved_piece(d);
	if (!d->left) {
		succeeded(d);
		ide_finish(d, 0, 0);
		return;
	}
	next_piece(d);
	ide_data_out(d, d->piece * IDE_SECTOR, block_of(d), true, piece_given);
}

static void piece_given(struct ide_drive *d)
{
	ide_disk(d, DISK_WRITE, d->sector * IDE_SECTOR,
	    (uint64_t)d->piece * IDE_SECTOR, piece_written);
}

static void pio(struct ide_drive *d, bool ext, bool write)
{
	d->writing = write;
	if (!block_of(d)) {
		aborted(d);
		return;
	}
	if (!get_range(d, ext))
		return;
	if (!write) {
		read_piece(d);
		return;
	}
	next_piece(d);
	/* The first block is asked for without an interrupt. */
	ide_data_out(d, d->piece * IDE_SECTOR, block_of(d), false,
	    piece_given);
}

/* ---- DMA */

static void dma_piece(struct ide_drive *d);

static void dma_failed(struct ide_drive *d)
{
	bm_end(&d->ch->bm, true);
	failed(d);
}

static void dma_done(struct ide_drive *d)
{
	if (d->req.ret) {
		dma_failed(d);
		return;
	}
	moved_piece(d);
	if (d->left) {
		ide_wait_dma(d, dma_piece);
		return;
	}
	succeeded(d);
	bm_end(&d->ch->bm, false);
	ide_finish(d, 0, 0);
}

static void dma_piece(struct ide_drive *d)
{
	struct bus_master *bm = &d->ch->bm;
	int64_t n = bm_next(bm, (uint64_t)d->left * IDE_SECTOR, IDE_SECTOR);

	if (n < 0) {
		dma_failed(d);
		return;
	}
	/* A table that ends too early: the drive waits for more, as drives
	 * do, until it is reset or the bus master started again. */
	if (!n)
		return;
	d->piece = (uint32_t)(n / IDE_SECTOR);
	if (!d->writing && d->piece == d->left &&
	    ide_dma_now(d, d->sector * IDE_SECTOR, (uint64_t)n)) {
		dma_done(d);
		return;
	}
	ide_disk_dma(d, d->writing ? DISK_WRITE : DISK_READ,
	    d->sector * IDE_SECTOR, (uint64_t)n, dma_done);
}

static void dma(struct ide_drive *d, bool ext, bool write)
{
	d->writing = write;
	if (get_range(d, ext))
		ide_wait_dma(d, dma_piece);
}

/* ---- VERIFY, FLUSH, DATA SET MANAGEMENT */

static void verify_piece(struct ide_drive *d);

static void piece_verified(struct ide_drive *d)
{
	if (d->req.ret) {
		failed(d);
		return;
	}
	moved_piece(d);
	if (d->left) {
		verify_piece(d);
		return;
	}
	succeeded(d);
	ide_finish(d, 0, 0);
}

static void verify_piece(struct ide_drive *d)
{
	next_piece(d);
	ide_disk(d, DISK_READ, d->sector * IDE_SECTOR,
	    (uint64_t)d->piece * IDE_SECTOR, piece_verified);
}

static void verify(struct ide_drive *d, bool ext)
{
	d->writing = false;
	if (get_range(d, ext))
		verify_piece(d);
}

static void flushed(struct ide_drive *d)
{
	if (d->req.ret)
		aborted(d);
	else
		ide_finish(d, 0, 0);
}

/* The next range of a TRIM: 48 bits of address, 16 of count; 0: unused. */
static void trim_next(struct ide_drive *d)
{
	if (d->range && d->req.ret) {
		aborted(d);
		return;
	}
	while (d->range < d->piece * (IDE_SECTOR / 8)) {
		le64 e;
		uint64_t at, n;

		memcpy(&e, d->buf + 8 * d->range++, 8);
		at = le64_get(e) & 0xffffffffffff;
		n = le64_get(e) >> 48;
		if (!n)
			continue;
		if (!range_ok(at, n, sectors_of(d))) {
			ide_finish(d, IDE_ERR, IDE_IDNF);
			return;
		}
		ide_disk(d, DISK_DISCARD, at * IDE_SECTOR, n * IDE_SECTOR,
		    trim_next);
		return;
	}
	ide_finish(d, 0, 0);
}

static void trim_ranges(struct ide_drive *d)
{
	uint64_t len = (uint64_t)d->piece * IDE_SECTOR;
	int64_t n = bm_copy(&d->ch->bm, d->buf, len, false);

	if (n >= 0 && (uint64_t)n < len)
		return;
	bm_end(&d->ch->bm, n < 0);
	d->range = 0;
	if (n < 0)
		aborted(d);
	else
		trim_next(d);
}

static void data_set_management(struct ide_drive *d)
{
	d->piece = d->count.now | (uint32_t)d->count.before << 8;
	if (d->feature.now != 1 || !disk_discards(d->disk) || !d->piece ||
	    d->piece > IDE_BUF / IDE_SECTOR)
		aborted(d);
	else
		ide_wait_dma(d, trim_ranges);
}

/* ---- commands without data */

/* SET FEATURES, 6.49. */
static void set_features(struct ide_drive *d)
{
	uint8_t mode = d->count.now;

	switch (d->feature.now) {
	case 0x03:		/* transfer mode */
		if (mode < 0x10) {
			d->mdma = d->udma = 0;
			break;
		}
		if ((mode & 0xf8) == 0x20 && (mode & 7) <= 2) {
			d->mdma = 1 << (mode & 7);
			d->udma = 0;
			break;
		}
		if ((mode & 0xf8) == 0x40 && (mode & 7) <= 5) {
			d->udma = 1 << (mode & 7);
			d->mdma = 0;
			break;
		}
		aborted(d);
		return;
	case 0x02:
	case 0x82:
		if (d->cd) {
			aborted(d);
			return;
		}
		d->write_cache = d->feature.now == 0x02;
		if (!d->write_cache && !disk_read_only(d->disk)) {
			ide_disk(d, DISK_FLUSH, 0, 0, flushed);
			return;
		}
		break;
	case 0x55: case 0xaa:	/* look-ahead: there is none to switch */
	case 0x66: case 0xcc:	/* power-on defaults */
		break;
	default:
		aborted(d);
		return;
	}
	ide_finish(d, 0, 0);
}

bool ata_common(struct ide_drive *d)
{
	switch (d->command) {
	case 0xef:
		set_features(d);
		return true;
	case 0x94: case 0xe0:	/* STANDBY IMMEDIATE */
	case 0x95: case 0xe1:	/* IDLE IMMEDIATE */
	case 0x96: case 0xe2:	/* STANDBY */
	case 0x97: case 0xe3:	/* IDLE */
	case 0x99: case 0xe6:	/* SLEEP */
		ide_finish(d, 0, 0);
		return true;
	case 0x98: case 0xe5:	/* CHECK POWER MODE: active */
		d->count.now = 0xff;
		ide_finish(d, 0, 0);
		return true;
	}
	return false;
}

/* READ NATIVE MAX ADDRESS, 6.33. */
static void native_max(struct ide_drive *d, bool ext)
{
	uint64_t last = sectors_of(d);

	if (last)
		last--;
	if (!ext)
		last = min64(last, (1u << 28) - 1);
	if (!(d->ch->device & LBA)) {
		aborted(d);
		return;
	}
	put_address(d, ext, last);
	ide_finish(d, 0, 0);
}

/* SEEK, 6.46, and READ VERIFY of no sector. */
static void seek(struct ide_drive *d)
{
	uint64_t at;

	if (get_address(d, false, &at) && at < sectors_of(d))
		ide_finish(d, 0, 0);
	else
		ide_finish(d, IDE_ERR, IDE_IDNF);
}

/* ---- IDENTIFY DEVICE, 6.17 */

static void word(struct ide_drive *d, unsigned n, unsigned v)
{
	le16_put((le16 *)(d->buf + 2 * n), (uint16_t)v);
}

static void word32(struct ide_drive *d, unsigned n, uint64_t v)
{
	word(d, n, v & 0xffff);
	word(d, n + 1, v >> 16 & 0xffff);
}

static void identified(struct ide_drive *d)
{
	d->phase = IDE_IDLE;
	d->status = IDE_DRDY | IDE_DSC;
}

static void identify(struct ide_drive *d)
{
	uint64_t n = sectors_of(d);
	uint64_t cylinders = min64(n / (d->cur_heads * d->cur_sectors), 65535);
	uint8_t sum = 0;

	memset(d->buf, 0, IDE_SECTOR);
	word(d, 0, 0x0040);			/* fixed */
	word(d, 1, d->cylinders);
	word(d, 3, d->heads);
	word(d, 6, d->sectors);
	ide_text(d->buf + 20, d->serial, 20);
	ide_text(d->buf + 46, d->firmware, 8);
	ide_text(d->buf + 54, d->model, 40);
	word(d, 47, 0x8000 | MULTIPLE_MAX);
	word(d, 48, 1);				/* 32 bits at the port */
	word(d, 49, 0x0b00);			/* IORDY, LBA, DMA */
	word(d, 50, 0x4000);
	word(d, 51, 0x0200);			/* PIO mode 2 */
	word(d, 53, 0x0007);			/* 54-58, 64-70, 88 valid */
	word(d, 54, (unsigned)cylinders);
	word(d, 55, d->cur_heads);
	word(d, 56, d->cur_sectors);
	word32(d, 57, cylinders * d->cur_heads * d->cur_sectors);
	word(d, 59, d->multiple ? 0x0100 | d->multiple : 0);
	word32(d, 60, min64(n, (1u << 28) - 1));
	word(d, 63, 0x0007 | d->mdma << 8);
	word(d, 64, 0x0003);			/* PIO modes 3, 4 */
	for (unsigned i = 65; i <= 68; i++)
		word(d, i, 120);		/* cycle times, ns */
	if (disk_discards(d->disk)) {
		/* What a trimmed sector reads as is not promised: 69 is 0. */
		word(d, 105, IDE_BUF / IDE_SECTOR);
		word(d, 169, 1);
	}
	word(d, 80, 0x00f0);			/* ATA-4 to ATA/ATAPI-7 */
	word(d, 82, 0x0028);			/* power, write cache */
	word(d, 83, 0x7400);			/* FLUSH (EXT), 48 bits */
	word(d, 84, 0x4040);			/* FUA */
	word(d, 85, 0x0008 | (d->write_cache ? 0x20 : 0));
	word(d, 86, 0x3400);
	word(d, 87, 0x4040);
	word(d, 88, 0x003f | d->udma << 8);
	word(d, 93, d == &d->ch->drive[1] ? 0x6b00 : 0x600b);
	word32(d, 100, n & 0xffffffff);
	word32(d, 102, n >> 32);
	d->buf[510] = 0xa5;			/* integrity, 6.17.69 */
	for (unsigned i = 0; i < 511; i++)
		sum += d->buf[i];
	d->buf[511] = -sum;
	ide_data_in(d, IDE_SECTOR, IDE_SECTOR, identified);
}

/* ---- all */

static void initialise_parameters(struct ide_drive *d)
{
	if (!d->count.now) {
		aborted(d);
		return;
	}
	d->cur_sectors = d->count.now;
	d->cur_heads = (d->ch->device & 15) + 1;
	ide_finish(d, 0, 0);
}

static void set_multiple(struct ide_drive *d)
{
	unsigned n = d->count.now;

	if (n > MULTIPLE_MAX || (n && !is_pow2(n))) {
		aborted(d);
		return;
	}
	d->multiple = n;
	ide_finish(d, 0, 0);
}

void ata_reset(struct ide_drive *d)
{
	d->sector = d->left = 0;
}

void ata_command(struct ide_drive *d)
{
	if (ata_common(d))
		return;
	if ((d->command & 0xf0) == 0x10) {	/* RECALIBRATE */
		ide_finish(d, 0, 0);
		return;
	}
	if ((d->command & 0xf0) == 0x70) {
		seek(d);
		return;
	}
	switch (d->command) {
	case 0x06:
		data_set_management(d);
		return;
	case 0x20: case 0x21:	/* READ SECTOR(S) */
	case 0xc4:		/* READ MULTIPLE */
		pio(d, false, false);
		return;
	case 0x24: case 0x29:	/* the same, EXT */
		pio(d, true, false);
		return;
	case 0x30: case 0x31:	/* WRITE SECTOR(S) */
	case 0x3c:		/* WRITE VERIFY */
	case 0xc5:		/* WRITE MULTIPLE */
		pio(d, false, true);
		return;
	case 0xce:		/* WRITE MULTIPLE FUA EXT */
		d->fua = true;
		/* fallthrough */
	case 0x34: case 0x39:
		pio(d, true, true);
		return;
	case 0xc8: case 0xc9:	/* READ DMA */
		dma(d, false, false);
		return;
	case 0x25:
		dma(d, true, false);
		return;
	case 0xca: case 0xcb:	/* WRITE DMA */
		dma(d, false, true);
		return;
	case 0x3d:		/* WRITE DMA FUA EXT */
		d->fua = true;
		/* fallthrough */
	case 0x35:
		dma(d, true, true);
		return;
	case 0x40: case 0x41:	/* READ VERIFY SECTOR(S) */
		verify(d, false);
		return;
	case 0x42:
		verify(d, true);
		return;
	case 0xe7: case 0xea:	/* FLUSH CACHE (EXT) */
		ide_disk(d, DISK_FLUSH, 0, 0, flushed);
		return;
	case 0x27:
		native_max(d, true);
		return;
	case 0xf8:
		native_max(d, false);
		return;
	case 0x91:
		initialise_parameters(d);
		return;
	case 0xc6:
		set_multiple(d);
		return;
	case 0xec:
		identify(d);
		return;
	}
	/* SMART, SECURITY, SET MAX and all else: not in the identify block,
	 * and aborted (volume 1, 5.4). */
	aborted(d);
}
