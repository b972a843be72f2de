/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * atapi.c - a CD-ROM: packet commands
 *
 * A packet is twelve bytes through the port; its answer is put into the
 * drive's buffer and goes out by PIO, in blocks as the host said, or by the
 * bus master.  A command that fails leaves sense data for REQUEST SENSE.
 *
 * Commands by MMC-3 and SPC-2 (T10), registers by ATA/ATAPI-7.
 */
#include "dev/ide.h"

#include <string.h>

#include "base/bytes.h"

/* Interrupt reason, in the count register (volume 1, 7.11). */
enum { REASON_CD = 1, REASON_IO = 2 };

/* Sense keys and codes, SPC-2 table 107 and 108. */
enum { NOT_READY = 2, MEDIUM_ERROR = 3, HARDWARE_ERROR = 4,
	ILLEGAL_REQUEST = 5 };
enum { UNRECOVERED = 0x11, BAD_COMMAND = 0x20, BAD_LBA = 0x21,
	BAD_FIELD = 0x24, NO_MEDIUM = 0x3a, LOCKED = 0x53, TRANSFER = 0x4b };

/* Media events, MMC-3 table 92. */
enum { EVENT_NEW = 2, EVENT_REMOVED = 3 };

enum { PROFILE_CD = 0x08, PROFILE_DVD = 0x10 };
enum { CD_BLOCKS = 360000 };	/* an 80 minute disc; what is more is a DVD */

static unsigned get16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static uint32_t blocks_of(const struct ide_drive *d)
{
	return (uint32_t)min64(disk_size(d->disk) / CD_SECTOR, UINT32_MAX);
}

static bool has_medium(const struct ide_drive *d)
{
	return disk_has_medium(d->disk) && !d->tray_open;
}

/* ---- ends of a command */

static void good(struct ide_drive *d)
{
	d->count.now = REASON_CD | REASON_IO;
	d->key = d->asc = d->ascq = 0;
	ide_finish(d, 0, 0);
}

static void check(struct ide_drive *d, uint8_t key, uint8_t asc, uint8_t ascq)
{
	d->key = key;
	d->asc = asc;
	d->ascq = ascq;
	d->count.now = REASON_CD | REASON_IO;
	ide_finish(d, IDE_ERR, key << 4 | IDE_ABRT);
}

static void next_blocks(struct ide_drive *d);

static void piece_taken(struct ide_drive *d)
{
	if (d->blocks_left)
		next_blocks(d);
	else
		good(d);
}

static void dma_out(struct ide_drive *d)
{
	struct bus_master *bm = &d->ch->bm;
	int64_t n = bm_copy(bm, d->buf, d->end, true);

	if (n < 0) {
		bm_end(bm, true);
		check(d, HARDWARE_ERROR, TRANSFER, 0);
		return;
	}
	/* Room for less than there is: the rest is lost. */
	if ((uint64_t)n < d->end)
		d->blocks_left = 0;
	if (d->blocks_left) {
		next_blocks(d);
		return;
	}
	bm_end(bm, false);
	good(d);
}

/* len bytes of buf go to the host. */
static void send(struct ide_drive *d, unsigned len)
{
	d->end = len;
	if (!len) {
		good(d);
		return;
	}
	if (d->by_dma) {
		ide_wait_dma(d, dma_out);
		return;
	}
	d->count.now = REASON_IO;
	ide_data_in(d, len, d->limit, piece_taken);
}

static void answer(struct ide_drive *d, unsigned len, unsigned allocated)
{
	d->blocks_left = 0;
	send(d, (unsigned)min64(len, allocated));
}

/* ---- READ */

static void blocks_read(struct ide_drive *d)
{
	if (d->req.ret) {
		check(d, MEDIUM_ERROR, UNRECOVERED, 0);
		return;
	}
	d->lba_at += d->piece;
	d->blocks_left -= d->piece;
	send(d, d->piece * CD_SECTOR);
}

static void next_blocks(struct ide_drive *d)
{
	d->piece = (uint32_t)min64(d->blocks_left, IDE_BUF / CD_SECTOR);
	ide_disk(d, DISK_READ, (uint64_t)d->lba_at * CD_SECTOR,
	    (uint64_t)d->piece * CD_SECTOR, blocks_read);
}

static void read_blocks(struct ide_drive *d, uint32_t at, uint32_t n)
{
	if (!range_ok(at, n, blocks_of(d))) {
		check(d, ILLEGAL_REQUEST, BAD_LBA, 0);
		return;
	}
	d->lba_at = at;
	d->blocks_left = n;
	if (n)
		next_blocks(d);
	else
		good(d);
}

static void read_10(struct ide_drive *d)
{
	read_blocks(d, get32(d->cdb + 2), get16(d->cdb + 7));
}

static void read_12(struct ide_drive *d)
{
	read_blocks(d, get32(d->cdb + 2), get32(d->cdb + 6));
}

/* READ CD, MMC-3 5.20: user data of 2048 bytes, all else is not there. */
static void read_cd(struct ide_drive *d)
{
	const uint8_t *c = d->cdb;
	unsigned type = c[1] >> 2 & 7;
	uint32_t n = (uint32_t)c[6] << 16 | get16(c + 7);

	if ((type != 0 && type != 2 && type != 4) || c[10] & 7 ||
	    (c[9] & 0xf8 && (c[9] & 0xfe) != 0x10)) {
		check(d, ILLEGAL_REQUEST, BAD_FIELD, 0);
		return;
	}
	if (!(c[9] & 0xf8))
		n = 0;			/* no part of the sector is wanted */
	read_blocks(d, get32(c + 2), n);
}

/* ---- what it is */

static void put_text(uint8_t *to, const char *text, unsigned len)
{
	size_t n = strlen(text);

	memset(to, ' ', len);
	memcpy(to, text, n < len ? n : len);
}

static void inquiry(struct ide_drive *d)
{
	uint8_t *b = d->buf;

	if (d->cdb[1] & 3) {		/* vital product data: none */
		check(d, ILLEGAL_REQUEST, BAD_FIELD, 0);
		return;
	}
	memset(b, 0, 36);
	b[0] = 5;			/* CD-ROM */
	b[1] = 0x80;			/* removable */
	b[3] = 0x21;			/* ATAPI */
	b[4] = 36 - 5;
	put_text(b + 8, "COWBIRD", 8);
	put_text(b + 16, d->model, 16);
	put_text(b + 32, d->firmware, 4);
	answer(d, 36, get16(d->cdb + 3));
}

static void request_sense(struct ide_drive *d)
{
	uint8_t *b = d->buf;

	memset(b, 0, 18);
	b[0] = 0x70;
	b[2] = d->key;
	b[7] = 18 - 8;
	b[12] = d->asc;
	b[13] = d->ascq;
	answer(d, 18, d->cdb[4]);
}

static void test_unit_ready(struct ide_drive *d)
{
	good(d);
}

static void read_capacity(struct ide_drive *d)
{
	uint32_t n = blocks_of(d);

	put32(d->buf, n ? n - 1 : 0);
	put32(d->buf + 4, CD_SECTOR);
	answer(d, 8, 8);
}

static void put_address(const struct ide_drive *d, uint8_t *p, uint32_t lba)
{
	if (!(d->cdb[1] & 2)) {
		put32(p, lba);
		return;
	}
	lba += 150;			/* minute, second, frame */
	p[0] = 0;
	p[1] = (uint8_t)min64(lba / (75 * 60), 255);
	p[2] = lba / 75 % 60;
	p[3] = lba % 75;
}

/* One point of the full TOC, MMC-3 table 339; times are always MSF. */
static uint8_t *full_point(struct ide_drive *d, uint8_t *p, uint8_t point,
    const uint8_t *pmsf)
{
	memset(p, 0, 11);
	p[0] = 1;
	p[1] = 0x14;
	p[3] = point;
	memcpy(p + 8, pmsf, 3);
	return p + 11;
}

static void read_toc(struct ide_drive *d)
{
	uint8_t *b = d->buf, *p = b + 4, msf[4];
	unsigned format = d->cdb[2] & 15, first = d->cdb[6];

	if (!format)
		format = d->cdb[9] >> 6;	/* as SFF-8020 had it */
	b[2] = b[3] = 1;
	switch (format) {
	case 0:
		if (first > 1 && first != 0xaa) {
			check(d, ILLEGAL_REQUEST, BAD_FIELD, 0);
			return;
		}
		for (unsigned i = first == 0xaa; i < 2; i++, p += 8) {
			memset(p, 0, 8);
			p[1] = 0x14;		/* data, may be copied */
			p[2] = i ? 0xaa : 1;
			put_address(d, p + 4, i ? blocks_of(d) : 0);
		}
		break;
	case 1:			/* first track of the last session */
		memset(p, 0, 8);
		p[1] = 0x14;
		p[2] = 1;
		put_address(d, p + 4, 0);
		p += 8;
		break;
	case 2:
		p = full_point(d, p, 0xa0, (const uint8_t *)"\1\0\0");
		p = full_point(d, p, 0xa1, (const uint8_t *)"\1\0\0");
		d->cdb[1] |= 2;
		put_address(d, msf, blocks_of(d));
		p = full_point(d, p, 0xa2, msf + 1);
		put_address(d, msf, 0);
		p = full_point(d, p, 1, msf + 1);
		break;
	default:
		check(d, ILLEGAL_REQUEST, BAD_FIELD, 0);
		return;
	}
	put16(b, (unsigned)(p - b) - 2);
	answer(d, (unsigned)(p - b), get16(d->cdb + 7));
}

static unsigned profile_of(const struct ide_drive *d)
{
	if (!has_medium(d))
		return 0;
	return blocks_of(d) > CD_BLOCKS ? PROFILE_DVD : PROFILE_CD;
}

/* One feature, MMC-3 5.6 and clause 4: code, current, its own bytes. */
static uint8_t *feature(struct ide_drive *d, uint8_t *p, unsigned code,
    bool persistent, bool current, const uint8_t *data, unsigned len)
{
	unsigned which = d->cdb[1] & 3, from = get16(d->cdb + 2);

	if (code < from || (which == 2 && code != from) ||
	    (which == 1 && !current))
		return p;
	put16(p, code);
	p[2] = persistent << 1 | current;
	p[3] = len;
	memcpy(p + 4, data, len);
	return p + 4 + len;
}

static void get_configuration(struct ide_drive *d)
{
	unsigned now = profile_of(d);
	uint8_t list[8] = { 0, PROFILE_DVD, now == PROFILE_DVD, 0,
	    0, PROFILE_CD, now == PROFILE_CD, 0 };
	static const uint8_t core[] = { 0, 0, 0, 2 };		/* ATAPI */
	static const uint8_t removable[] = { 0x29, 0, 0, 0 };
	static const uint8_t readable[] = { 0, 0, 8, 0, 0, 1, 0, 0 };
	static const uint8_t nothing[4];
	uint8_t *b = d->buf, *p = b + 8;

	if ((d->cdb[1] & 3) == 3) {
		check(d, ILLEGAL_REQUEST, BAD_FIELD, 0);
		return;
	}
	memset(b, 0, 8);
	put16(b + 6, now);
	p = feature(d, p, 0x0000, true, true, list, sizeof(list));
	p = feature(d, p, 0x0001, true, true, core, sizeof(core));
	p = feature(d, p, 0x0003, true, true, removable, sizeof(removable));
	p = feature(d, p, 0x0010, false, now, readable, sizeof(readable));
	p = feature(d, p, 0x001e, false, now == PROFILE_CD, nothing, 4);
	p = feature(d, p, 0x001f, false, now == PROFILE_DVD, nothing, 0);
	put32(b, (uint32_t)(p - b) - 4);
	answer(d, (unsigned)(p - b), get16(d->cdb + 7));
}

static void event_status(struct ide_drive *d)
{
	uint8_t *b = d->buf;

	if (!(d->cdb[1] & 1)) {		/* we do not keep a host waiting */
		check(d, ILLEGAL_REQUEST, BAD_FIELD, 0);
		return;
	}
	memset(b, 0, 8);
	b[3] = 1 << 4;			/* classes there are: media */
	if (!(d->cdb[4] & 1 << 4)) {
		put16(b, 2);
		b[2] = 0x80;		/* no event */
		answer(d, 4, get16(d->cdb + 7));
		return;
	}
	put16(b, 6);
	b[2] = 4;
	b[4] = d->media_event;
	b[5] = d->tray_open | has_medium(d) << 1;
	if (get16(d->cdb + 7) > 4)
		d->media_event = 0;
	answer(d, 8, get16(d->cdb + 7));
}

/* MODE SENSE(10): pages 01h error recovery, 2Ah capabilities. */
static void mode_sense(struct ide_drive *d)
{
	static const uint8_t recovery[8] = { 0x01, 6, 0, 5 };
	static const uint8_t abilities[20] = { 0x2a, 18, 0x3b, 0, 0, 0, 0x29,
	    0, 0x16, 0x08, 0, 0, 0x01, 0xf4, 0x16, 0x08, 0, 0, 0, 0 };
	unsigned page = d->cdb[2] & 0x3f;
	uint8_t *b = d->buf, *p = b + 8;

	if (page != 0x01 && page != 0x2a && page != 0x3f) {
		check(d, ILLEGAL_REQUEST, BAD_FIELD, 0);
		return;
	}
	if (d->cdb[2] >> 6 == 3) {		/* saved values: none */
		check(d, ILLEGAL_REQUEST, 0x39, 0);
		return;
	}
	memset(b, 0, 8);
	b[2] = !has_medium(d) ? 0x70 : 0x01;
	if (page != 0x2a) {
		memcpy(p, recovery, sizeof(recovery));
		p += sizeof(recovery);
	}
	if (page != 0x01) {
		memcpy(p, abilities, sizeof(abilities));
		p[6] |= d->locked << 1;
		p += sizeof(abilities);
	}
	put16(b, (unsigned)(p - b) - 2);
	answer(d, (unsigned)(p - b), get16(d->cdb + 7));
}

static void mechanism_status(struct ide_drive *d)
{
	memset(d->buf, 0, 8);
	d->buf[1] = d->tray_open << 4;
	answer(d, 8, get16(d->cdb + 8));
}

static void disc_information(struct ide_drive *d)
{
	uint8_t *b = d->buf;

	if (d->cdb[1] & 7) {
		check(d, ILLEGAL_REQUEST, BAD_FIELD, 0);
		return;
	}
	memset(b, 0, 34);
	put16(b, 32);
	b[2] = 0x0e;			/* complete, last session complete */
	b[3] = b[4] = b[5] = b[6] = 1;	/* one session, one track */
	b[7] = 0x20;			/* unrestricted use */
	memset(b + 16, 0xff, 8);	/* no lead-in or lead-out to write */
	answer(d, 34, get16(d->cdb + 7));
}

/* ---- the tray */

static void start_stop(struct ide_drive *d)
{
	bool load = d->cdb[4] & 1;

	if (!(d->cdb[4] & 2) || d->cdb[4] & 0xf0) {
		good(d);		/* the motor, and power conditions */
		return;
	}
	if (!load && d->locked && !d->tray_open) {
		check(d, ILLEGAL_REQUEST, LOCKED, 2);
		return;
	}
	if (d->tray_open == load)
		d->media_event = load ? EVENT_NEW : EVENT_REMOVED;
	d->tray_open = !load;
	good(d);
}

static void prevent_removal(struct ide_drive *d)
{
	d->locked = d->cdb[4] & 1;
	good(d);
}

static void nothing_to_do(struct ide_drive *d)
{
	good(d);
}

/* ---- packets */

static const struct packet {
	uint8_t code;
	bool medium;		/* needs one */
	ide_then *run;
} packets[] = {
	{ 0x00, true, test_unit_ready },
	{ 0x03, false, request_sense },
	{ 0x12, false, inquiry },
	{ 0x1b, false, start_stop },
	{ 0x1e, false, prevent_removal },
	{ 0x25, true, read_capacity },
	{ 0x28, true, read_10 },
	{ 0x2b, true, nothing_to_do },		/* SEEK(10) */
	{ 0x43, true, read_toc },
	{ 0x46, false, get_configuration },
	{ 0x4a, false, event_status },
	{ 0x51, true, disc_information },
	{ 0x5a, false, mode_sense },
	{ 0xa8, true, read_12 },
	{ 0xbb, false, nothing_to_do },		/* SET CD SPEED */
	{ 0xbd, false, mechanism_status },
	{ 0xbe, true, read_cd },
};

static void packet_given(struct ide_drive *d)
{
	memcpy(d->cdb, d->buf, sizeof(d->cdb));
	d->packet = true;
	for (unsigned i = 0; i < ARRAY_LEN(packets); i++) {
		const struct packet *p = &packets[i];

		if (p->code != d->cdb[0])
			continue;
		if (p->medium && !has_medium(d))
			check(d, NOT_READY, NO_MEDIUM, d->tray_open ? 2 : 1);
		else
			p->run(d);
		return;
	}
	check(d, ILLEGAL_REQUEST, BAD_COMMAND, 0);
}

static void packet(struct ide_drive *d)
{
	d->by_dma = d->feature.now & 1;
	d->limit = d->lba[1].now | d->lba[2].now << 8;
	/* An odd limit would split words; 0 cannot be meant (volume 1, 6.24). */
	if (!d->limit || d->limit == 0xffff)
		d->limit = 0xfffe;
	if (d->limit > 1)
		d->limit &= ~1u;
	d->count.now = REASON_CD;
	ide_data_out(d, sizeof(d->cdb), sizeof(d->cdb), false, packet_given);
}

/* ---- IDENTIFY PACKET DEVICE, volume 1, 6.16 */

static void word(struct ide_drive *d, unsigned n, unsigned v)
{
	le16_put((le16 *)(d->buf + 2 * n), (uint16_t)v);
}

static void identified(struct ide_drive *d)
{
	d->phase = IDE_IDLE;
	d->status = IDE_DRDY;
}

static void identify(struct ide_drive *d)
{
	memset(d->buf, 0, IDE_SECTOR);
	word(d, 0, 0x85c0);		/* CD-ROM, removable, DRQ in 50 us */
	ide_text(d->buf + 20, d->serial, 20);
	ide_text(d->buf + 46, d->firmware, 8);
	ide_text(d->buf + 54, d->model, 40);
	word(d, 49, 0x0b00);		/* IORDY, LBA, DMA */
	word(d, 51, 0x0200);
	word(d, 53, 0x0006);
	word(d, 63, 0x0007 | d->mdma << 8);
	word(d, 64, 0x0003);
	for (unsigned i = 65; i <= 68; i++)
		word(d, i, 120);
	word(d, 80, 0x00f0);
	word(d, 82, 0x0218);		/* DEVICE RESET, PACKET, power */
	word(d, 83, 0x4000);
	word(d, 84, 0x4000);
	word(d, 85, 0x0218);
	word(d, 87, 0x4000);
	word(d, 88, 0x003f | d->udma << 8);
	ide_data_in(d, IDE_SECTOR, IDE_SECTOR, identified);
}

void atapi_reset(struct ide_drive *d)
{
	d->key = d->asc = d->ascq = 0;
	d->blocks_left = 0;
	d->locked = false;
}

void atapi_command(struct ide_drive *d)
{
	if (ata_common(d))
		return;
	switch (d->command) {
	case 0xa0:
		packet(d);
		return;
	case 0xa1:
		identify(d);
		return;
	case 0xec: case 0x20:	/* say what it is instead (volume 1, 6.17) */
		ide_signature(d);
		ide_finish(d, IDE_ERR, IDE_ABRT);
		return;
	}
	ide_finish(d, IDE_ERR, IDE_ABRT);
}
