/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * step.c - one instruction at a time, from text to text
 *
 * Names of registers: rax..r15 rip rflags, es cs ss ds fs gs (selector),
 * NAME.base NAME.limit NAME.attr, ldtr tr likewise, gdt.base gdt.limit idt..,
 * cr0 cr2 cr3 cr4 efer xcr0, dr0..dr7, mxcsr fcw fsw ftw, ymm0..ymm15 (64
 * digits, most significant first; xmm: the low half), fpr0..fpr7 (physical
 * x87 registers, 20 digits).
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>

#include "cpu/model.h"
#include "cpu/paging.h"
#include "cpu/step.h"

#define RAM_SIZE (4ull << 20)

int
step_bench_init(struct step_bench *b, const char *model, struct error *err)
{
	struct cpu_apic none = { 0 };

	memset(b, 0, sizeof(*b));
	b->ram_size = RAM_SIZE;
	if (!(b->board = board_new(err)) ||
	    !(b->mem = mem_new(b->board, RAM_SIZE, err)) ||
	    !(b->bus = bus_new(b->board, err)) ||
	    !(b->model = cpu_model_new(model, 1, err)) ||
	    !(b->cpu = cpu_interp.new(b->mem, b->bus, b->model, 0, &none,
	    err))) {
		step_bench_fini(b);
		return -err->code;
	}
	b->ram = mem_ram(b->mem, 0, RAM_SIZE);
	step_bench_mode(b, 64);
	return 0;
}

void
step_bench_fini(struct step_bench *b)
{
	cpu_interp.free(b->cpu);
	cpu_model_free(b->model);
	bus_free(b->bus);
	mem_free(b->mem);
	board_free(b->board);
	memset(b, 0, sizeof(*b));
}

/* A page of 1 GiB entries and one above it. */
static void
map_all(struct step_bench *b)
{
	uint64_t pml4 = b->ram_size - 4096, pdpt = b->ram_size - 8192, e;

	memset(b->ram + pdpt, 0, 8192);
	e = pdpt | 0x27;	/* accessed: steps change nothing here */
	memcpy(b->ram + pml4, &e, 8);
	for (uint64_t n = 0; n < 512; n++) {
		e = n << 30 | 0xe7;	/* present, writable, user, A, D, 1 GiB */
		memcpy(b->ram + pdpt + 8 * n, &e, 8);
	}
	b->cpu->cr3 = pml4;
}

void
step_bench_mode(struct step_bench *b, unsigned bits)
{
	struct cpu *c = b->cpu;
	struct cpu_regs r;

	cpu_interp.reset(c);
	c->fcw = 0x37f;
	c->ftw = 0;
	cpu_interp.get(c, &r);
	r.rip = 0x1000;
	r.gpr[RDX] = 0;
	r.gpr[RSP] = 0x8000;
	for (unsigned n = 0; n < 6; n++) {
		r.seg[n] = (struct cpu_segment){ .limit = 0xffff,
		    .attr = n == SEG_CS ? 0x9b : 0x93 };
		if (bits == 16)
			continue;
		r.seg[n].selector = n == SEG_CS ? 8 : 16;
		r.seg[n].limit = 0xffffffff;
		r.seg[n].attr |= 0x8000 | (bits == 64 && n == SEG_CS ?
		    ATTR_L : ATTR_D);
	}
	r.cr0 = bits == 16 ? 0x30 : 0x31;
	r.cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE;
	if (bits == 64) {
		map_all(b);
		r.cr3 = c->cr3;
		r.cr0 |= CR0_PG;
		r.cr4 |= CR4_PAE | CR4_OSXSAVE;
		r.efer = EFER_LME | EFER_LMA | EFER_SCE;
		c->xcr0 = 7;
	}
	cpu_interp.set(c, &r);
}

/* --- Names --------------------------------------------------------------------------- */

struct reg {
	char name[16];
	void *at;		/* in struct cpu */
	unsigned size;
};

#define REGS_MAX 160
struct regs {
	struct reg reg[REGS_MAX];
	unsigned n;
};

static void
add(struct regs *r, void *at, unsigned size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->reg[r->n].name, sizeof(r->reg[0].name), fmt, ap);
	va_end(ap);
	r->reg[r->n].at = at;
	r->reg[r->n++].size = size;
}

static void
add_segment(struct regs *r, const char *name, struct cpu_segment *s)
{
	add(r, &s->selector, 2, "%s", name);
	add(r, &s->base, 8, "%s.base", name);
	add(r, &s->limit, 4, "%s.limit", name);
	add(r, &s->attr, 2, "%s.attr", name);
}

static void
list(struct cpu *c, uint64_t *rflags, struct regs *r)
{
	static const char gpr[8][4] = { "rax", "rcx", "rdx", "rbx", "rsp",
	    "rbp", "rsi", "rdi" };
	static const char seg[6][3] = { "es", "cs", "ss", "ds", "fs", "gs" };

	r->n = 0;
	for (unsigned n = 0; n < 16; n++)
		if (n < 8)
			add(r, &c->gpr[n], 8, "%s", gpr[n]);
		else
			add(r, &c->gpr[n], 8, "r%u", n);
	add(r, &c->rip, 8, "rip");
	add(r, rflags, 8, "rflags");
	for (unsigned n = 0; n < 6; n++)
		add_segment(r, seg[n], &c->seg[n]);
	add_segment(r, "ldtr", &c->ldtr);
	add_segment(r, "tr", &c->tr);
	add(r, &c->gdt_base, 8, "gdt.base");
	add(r, &c->gdt_limit, 2, "gdt.limit");
	add(r, &c->idt_base, 8, "idt.base");
	add(r, &c->idt_limit, 2, "idt.limit");
	add(r, &c->cr0, 8, "cr0");
	add(r, &c->cr2, 8, "cr2");
	add(r, &c->cr3, 8, "cr3");
	add(r, &c->cr4, 8, "cr4");
	add(r, &c->efer, 8, "efer");
	add(r, &c->xcr0, 8, "xcr0");
	for (unsigned n = 0; n < 8; n++)
		add(r, &c->dr[n], 8, "dr%u", n);
	add(r, &c->mxcsr, 4, "mxcsr");
	add(r, &c->fcw, 2, "fcw");
	add(r, &c->fsw, 2, "fsw");
	add(r, &c->ftw, 1, "ftw");
	for (unsigned n = 0; n < 8; n++)
		add(r, c->fpr[n], 10, "fpr%u", n);
	for (unsigned n = 0; n < 16; n++)
		add(r, c->vec[n], 32, "ymm%u", n);
	for (unsigned n = 0; n < 16; n++)
		add(r, c->vec[n], 16, "xmm%u", n);
}

/* --- Text ------------------------------------------------------------------------------ */

static int
digit(char ch)
{
	return isdigit((unsigned char)ch) ? ch - '0' :
	    isxdigit((unsigned char)ch) ? tolower(ch) - 'a' + 10 : -1;
}

/* A number of any length, most significant digit first, into size bytes. */
static int
parse_number(const char *text, uint8_t *buf, unsigned size, struct error *err)
{
	size_t len = strlen(text);

	memset(buf, 0, size);
	for (size_t n = 0; n < len; n++) {
		int d = digit(text[len - 1 - n]);

		if (d < 0 || (n / 2 >= size && d))
			return error_set(err, EINVAL,
			    "'%s' is no hexadecimal number of %u bytes", text,
			    size);
		if (n / 2 < size)
			buf[n / 2] |= d << (n % 2 * 4);
	}
	return len ? 0 : error_set(err, EINVAL, "a number is missing");
}

static int
set_register(struct step_bench *b, const char *name, const char *value,
    struct error *err)
{
	struct cpu *c = b->cpu;
	uint64_t rflags = cpu_eflags(c);
	struct regs r;

	if (strcmp(name, "mode") == 0) {
		unsigned bits = atoi(value);

		if (bits != 16 && bits != 32 && bits != 64)
			return error_set(err, EINVAL,
			    "mode is 16, 32 or 64, not '%s'", value);
		step_bench_mode(b, bits);
		return 0;
	}
	list(c, &rflags, &r);
	for (unsigned n = 0; n < r.n; n++) {
		uint8_t buf[32];
		int ret;

		if (strcmp(r.reg[n].name, name) != 0)
			continue;
		ret = parse_number(value, buf, r.reg[n].size, err);
		if (ret < 0)
			return ret;
		memcpy(r.reg[n].at, buf, r.reg[n].size);
		if (r.reg[n].at == &rflags)
			cpu_set_eflags(c, rflags, ~0u);
		return 0;
	}
	return error_set(err, EINVAL, "there is no register '%s'", name);
}

static int
set_memory(struct step_bench *b, const char *at, const char *bytes,
    struct error *err)
{
	uint8_t addr[8];
	uint64_t gpa, n = strlen(bytes);

	if (parse_number(at, addr, 8, err) < 0)
		return -err->code;
	memcpy(&gpa, addr, 8);
	if (n % 2 || gpa > b->ram_size || n / 2 > b->ram_size - gpa)
		return error_set(err, EINVAL, "memory at %s: whole bytes "
		    "below %#llx", at, (unsigned long long)b->ram_size);
	for (uint64_t k = 0; k < n; k += 2) {
		int high = digit(bytes[k]), low = digit(bytes[k + 1]);
		uint8_t v = high << 4 | low;

		if (high < 0 || low < 0)
			return error_set(err, EINVAL,
			    "'%s' are no hexadecimal bytes", bytes);
		mem_write(b->mem, gpa + k / 2, &v, 1);
	}
	return 0;
}

static int
parse_line(struct step_bench *b, char *line, struct error *err)
{
	bool memory = false;
	char *save, *word, *eq;
	int ret = 0;

	for (word = strtok_r(line, " \t\r\n", &save); word && ret == 0;
	    word = strtok_r(NULL, " \t\r\n", &save)) {
		if (strcmp(word, ";") == 0)
			continue;
		if (strcmp(word, "R") == 0 || strcmp(word, "M") == 0) {
			memory = *word == 'M';
			continue;
		}
		eq = strchr(word, '=');
		if (!eq)
			return error_set(err, EINVAL, "'%s': NAME=VALUE is "
			    "expected", word);
		*eq++ = '\0';
		if (*eq && eq[strlen(eq) - 1] == ';')
			eq[strlen(eq) - 1] = '\0';
		ret = memory ? set_memory(b, word, eq, err) :
		    set_register(b, word, eq, err);
	}
	return ret;
}

/* --- What changed ---------------------------------------------------------------------------- */

struct before {
	struct cpu cpu;
	uint64_t rflags;
	uint8_t ram[RAM_SIZE];
};

static void
write_changes(struct step_bench *b, const struct before *was, FILE *out)
{
	struct cpu *c = b->cpu;
	uint64_t rflags = cpu_eflags(c);
	struct regs now;
	bool any = false;

	list(c, &rflags, &now);
	fputs("R", out);
	for (unsigned n = 0; n < now.n; n++) {
		const struct reg *r = &now.reg[n];
		const uint8_t *old = r->at == &rflags ?
		    (const uint8_t *)&was->rflags : (const uint8_t *)&was->cpu +
		    ((uint8_t *)r->at - (uint8_t *)c);
		const uint8_t *new = r->at;
		unsigned k = r->size;

		if (memcmp(old, new, r->size) == 0 ||
		    (r->size == 16 && r->name[0] == 'x'))
			continue;
		while (k > 1 && r->size <= 8 && new[k - 1] == 0)
			k--;
		fprintf(out, " %s=", r->name);
		while (k--)
			fprintf(out, "%02x", new[k]);
	}
	for (uint64_t n = 0; n < b->ram_size; n++) {
		if (b->ram[n] == was->ram[n])
			continue;
		fprintf(out, any ? " %llx=" : " ; M %llx=",
		    (unsigned long long)n);
		any = true;
		for (; n < b->ram_size && b->ram[n] != was->ram[n]; n++)
			fprintf(out, "%02x", b->ram[n]);
	}
	fputc('\n', out);
}

int
step_main(FILE *in, FILE *out, struct error *err)
{
	struct step_bench b;
	struct before *was = malloc(sizeof(*was));
	struct step_fault f;
	char *line = NULL;
	size_t room = 0;
	int ret = 0;

	if (!was)
		return error_set(err, ENOMEM, "--cpu-step");
	if (step_bench_init(&b, "max", err) < 0) {
		free(was);
		return -err->code;
	}
	while (ret == 0 && getline(&line, &room, in) >= 0) {
		ret = parse_line(&b, line, err);
		if (ret < 0)
			break;
		paging_flush_all(b.cpu);
		cpu_mode_changed(b.cpu);
		memcpy(&was->cpu, b.cpu, sizeof(was->cpu));
		was->rflags = cpu_eflags(b.cpu);
		memcpy(was->ram, b.ram, RAM_SIZE);
		if (!interp_step(b.cpu, &f)) {
			fprintf(out, "X %u", f.vector);
			if (f.has_error)
				fprintf(out, " %x", f.error);
			fputs(" ; ", out);
		}
		write_changes(&b, was, out);
	}
	if (ret == 0 && (ferror(in) || fflush(out) != 0))
		ret = error_errno(err, errno ? errno : EIO, "--cpu-step");
	free(line);
	free(was);
	step_bench_fini(&b);
	return ret;
}
