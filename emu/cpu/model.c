/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model.c - CPUID (SDM 2, CPUID; APM 3, appendix E) from a set of features
 *
 * The vendor string is AMD's for qemu64 and max alike, as the peer's: what
 * differs between vendors (SYSCALL in compatibility mode) is then that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cpu/model.h"
#include "core/mem.h"

struct cpu_model {
	struct cpu_features features;
	uint64_t extras;
	unsigned n;		/* processors */
	unsigned family, model, stepping;
	char brand[49];
};

struct bit {
	const char *name;
	uint32_t leaf, subleaf;
	uint8_t reg, bit;
};

static const struct bit feature_bits[FEAT_N] = {
#define F(id, name, leaf, subleaf, reg, bit) \
	[FEAT_##id] = { name, leaf, subleaf, reg, bit },
	CPU_FEATURES(F)
#undef F
};

static const struct bit extra_bits[EXTRA_N] = {
#define X(id, name, leaf, subleaf, reg, bit) \
	[EXTRA_##id] = { name, leaf, subleaf, reg, bit },
	CPU_EXTRAS(X)
#undef X
};

#define FB(x) (1ull << FEAT_##x)
#define XB(x) (1ull << EXTRA_##x)

static const uint64_t qemu64_features = FB(NONE) | FB(FPU) | FB(TSC) |
    FB(MSR) | FB(CX8) | FB(SEP) | FB(CMOV) | FB(CLFSH) | FB(MMX) | FB(FXSR) |
    FB(SSE) | FB(SSE2) | FB(SSE3) | FB(CX16) | FB(LAHF) | FB(SYSCALL);
static const uint64_t qemu64_extras = XB(DE) | XB(PSE) | XB(PAE) | XB(MCE) |
    XB(APIC) | XB(MTRR) | XB(PGE) | XB(MCA) | XB(PAT) | XB(PSE36) |
    XB(X2APIC) | XB(HYPERVISOR) | XB(NX) | XB(LM);

/* Features that mean nothing without another one. */
static const struct {
	enum cpu_feature what, needs;
} depends[] = {
	{ FEAT_SSE, FEAT_FXSR }, { FEAT_SSE2, FEAT_SSE },
	{ FEAT_SSE3, FEAT_SSE2 }, { FEAT_SSSE3, FEAT_SSE3 },
	{ FEAT_SSE41, FEAT_SSSE3 }, { FEAT_SSE42, FEAT_SSE41 },
	{ FEAT_PCLMUL, FEAT_SSE2 }, { FEAT_AES, FEAT_SSE2 },
	{ FEAT_SHA, FEAT_SSE2 }, { FEAT_AVX, FEAT_XSAVE },
	{ FEAT_AVX, FEAT_SSE42 }, { FEAT_AVX2, FEAT_AVX },
	{ FEAT_FMA, FEAT_AVX }, { FEAT_F16C, FEAT_AVX },
	{ FEAT_XSAVEOPT, FEAT_XSAVE }, { FEAT_XSAVEC, FEAT_XSAVE },
};

static const struct {
	const char *name, *about;
	unsigned family, model, stepping;
} names[] = {
	{ "qemu64", "the plainest 64-bit processor", 15, 107, 1 },
	{ "max", "everything there is (default)", 15, 107, 1 },
};

static int
set_word(struct cpu_model *m, const char *word, size_t len, bool on,
    struct error *err)
{
	for (unsigned n = 1; n < FEAT_N; n++)
		if (strlen(feature_bits[n].name) == len &&
		    strncasecmp(feature_bits[n].name, word, len) == 0) {
			m->features.bits = on ? m->features.bits | 1ull << n :
			    m->features.bits & ~(1ull << n);
			return 0;
		}
	for (unsigned n = 0; n < EXTRA_N; n++)
		if (strlen(extra_bits[n].name) == len &&
		    strncasecmp(extra_bits[n].name, word, len) == 0) {
			m->extras = on ? m->extras | 1ull << n :
			    m->extras & ~(1ull << n);
			return 0;
		}
	return error_set(err, EINVAL, "processor feature '%.*s' is not known",
	    (int)len, word);
}

static int
parse_words(struct cpu_model *m, const char *text, struct error *err)
{
	while (*text) {
		size_t len = strcspn(text, ",");
		const char *eq = memchr(text, '=', len);
		bool on = true;
		const char *word = text;
		size_t n = len;
		int ret;

		if (*text == '+' || *text == '-') {
			on = *text == '+';
			word++;
			n--;
		} else if (eq) {
			size_t v = text + len - eq - 1;

			n = eq - text;
			if ((v == 2 && strncmp(eq + 1, "on", 2) == 0))
				on = true;
			else if (v == 3 && strncmp(eq + 1, "off", 3) == 0)
				on = false;
			else
				return error_set(err, EINVAL,
				    "-cpu: '%.*s' wants on or off", (int)len,
				    text);
		}
		ret = set_word(m, word, n, on, err);
		if (ret < 0)
			return ret;
		text += len + (text[len] == ',');
	}
	return 0;
}

struct cpu_model *
cpu_model_new(const char *text, unsigned n, struct error *err)
{
	struct cpu_model *m = calloc(1, sizeof(*m));
	size_t len = strcspn(text, ",");
	unsigned which;
	bool again;

	if (!m) {
		error_set(err, ENOMEM, "processor model");
		return NULL;
	}
	for (which = 0; which < sizeof(names) / sizeof(names[0]); which++)
		if (strlen(names[which].name) == len &&
		    strncmp(names[which].name, text, len) == 0)
			break;
	if (which == sizeof(names) / sizeof(names[0])) {
		error_set(err, EINVAL, "-cpu: there is no model '%.*s' "
		    "(-cpu help lists them)", (int)len, text);
		goto fail;
	}
	m->n = n;
	m->family = names[which].family;
	m->model = names[which].model;
	m->stepping = names[which].stepping;
	snprintf(m->brand, sizeof(m->brand), "cowbird virtual processor %s",
	    names[which].name);
	if (which == 0) {
		m->features.bits = qemu64_features;
		m->extras = qemu64_extras;
	} else {
		/* MONITOR makes idle guests spin on MWAIT: by name only */
		m->features.bits = (~0ull >> (64 - FEAT_N)) & ~FB(MONITOR);
		m->extras = ~0ull >> (64 - EXTRA_N);
	}
	if (text[len] == ',' && parse_words(m, text + len + 1, err) < 0)
		goto fail;
	m->features.bits |= FB(NONE);
	do {
		again = false;
		for (unsigned k = 0; k < sizeof(depends) / sizeof(depends[0]);
		    k++)
			if (cpu_has(&m->features, depends[k].what) &&
			    !cpu_has(&m->features, depends[k].needs)) {
				m->features.bits &= ~(1ull << depends[k].what);
				again = true;
			}
	} while (again);
	return m;
fail:
	free(m);
	return NULL;
}

void
cpu_model_free(struct cpu_model *m)
{
	free(m);
}

void
cpu_model_help(void (*line)(void *opaque, const char *text), void *opaque)
{
	char text[100];

	line(opaque, "Models:");
	for (unsigned n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
		snprintf(text, sizeof(text), "  %-10s %s", names[n].name,
		    names[n].about);
		line(opaque, text);
	}
	line(opaque, "Features (+NAME, -NAME):");
	for (unsigned n = 1; n < FEAT_N + EXTRA_N; n += 1) {
		snprintf(text, sizeof(text), "  %s", n < FEAT_N ?
		    feature_bits[n].name : extra_bits[n - FEAT_N].name);
		line(opaque, text);
	}
}

const struct cpu_features *
cpu_model_features(const struct cpu_model *m)
{
	return &m->features;
}

bool
cpu_model_has(const struct cpu_model *m, enum cpu_extra which)
{
	return m->extras >> which & 1;
}

uint32_t
cpu_model_signature(const struct cpu_model *m)
{
	/* extended model, base family 15 when the family is that large */
	return m->stepping | (m->model & 15) << 4 |
	    (m->family > 15 ? 15 : m->family) << 8 | (m->model >> 4) << 16 |
	    (m->family > 15 ? m->family - 15 : 0) << 20;
}

/* --- Time -------------------------------------------------------------------------- */

uint64_t
cpu_host_tsc(void)
{
#ifdef __x86_64__
	/* Not before what came before it: guests compare their processors'
	 * counters (SDM 2, RDTSC). */
	__builtin_ia32_lfence();
	return __builtin_ia32_rdtsc();
#else
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
#endif
}

static uint64_t
mono_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

struct moment {
	uint64_t tsc, ns;
};
static struct moment since;

/* Both clocks at once: of some readings the one that was interrupted least. */
static struct moment
now(void)
{
	struct moment best = { 0 };
	uint64_t least = UINT64_MAX;

	for (unsigned n = 0; n < 5; n++) {
		uint64_t before = cpu_host_tsc(), ns = mono_ns();
		uint64_t after = cpu_host_tsc();

		if (after - before < least) {
			least = after - before;
			best = (struct moment){ before + least / 2, ns };
		}
	}
	return best;
}

__attribute__((constructor)) static void
remember_start(void)
{
	since = now();
}

uint64_t
cpu_model_tsc_start(void)
{
	return since.tsc;
}

uint64_t
cpu_tsc_hz(void)
{
#ifdef __x86_64__
	static _Atomic uint64_t known;
	uint64_t hz = known;
	struct moment m;

	if (hz)
		return hz;
	/* The longer ago the start, the better: 10 ms at least. */
	do {
		m = now();
	} while (m.ns - since.ns < 10000000);
	hz = (uint64_t)((unsigned __int128)(m.tsc - since.tsc) * 1000000000 /
	    (m.ns - since.ns));
	hz = (hz + 500) / 1000 * 1000;
	known = hz;
	return hz;
#else
	return 1000000000;
#endif
}

/* --- CPUID ---------------------------------------------------------------------------- */

static void
add_bits(const struct cpu_model *m, uint32_t leaf, uint32_t subleaf,
    struct cpuid *r)
{
	uint32_t *reg[4] = { &r->eax, &r->ebx, &r->ecx, &r->edx };

	for (unsigned n = 1; n < FEAT_N; n++)
		if (cpu_has(&m->features, n) && feature_bits[n].leaf == leaf &&
		    feature_bits[n].subleaf == subleaf)
			*reg[feature_bits[n].reg] |= 1u << feature_bits[n].bit;
	for (unsigned n = 0; n < EXTRA_N; n++)
		if (cpu_model_has(m, n) && extra_bits[n].leaf == leaf &&
		    extra_bits[n].subleaf == subleaf)
			*reg[extra_bits[n].reg] |= 1u << extra_bits[n].bit;
}

/* Deterministic cache parameters of leaf 4: 32K, 32K, 512K, 16M. */
static void
cache_leaf(const struct cpu_model *m, uint32_t subleaf, struct cpuid *r)
{
	static const struct { uint8_t type, level; uint16_t ways, sets; } c[] = {
		{ 1, 1, 8, 64 }, { 2, 1, 8, 64 }, { 3, 2, 16, 512 },
		{ 3, 3, 16, 16384 },
	};

	if (subleaf >= 4)
		return;
	r->eax = c[subleaf].type | c[subleaf].level << 5 | 1 << 8 |
	    (m->n - 1) << 26;
	if (subleaf == 3)
		r->eax |= (m->n - 1) << 14;
	r->ebx = 63 | (uint32_t)(c[subleaf].ways - 1) << 22;
	r->ecx = c[subleaf].sets - 1;
	r->edx = 1;
}

struct cpuid
cpu_model_cpuid(const struct cpu_model *m, unsigned id, uint32_t leaf,
    uint32_t subleaf)
{
	struct cpuid r = { 0 };
	bool xsave = cpu_has(&m->features, FEAT_XSAVE);
	bool avx = cpu_has(&m->features, FEAT_AVX);

	switch (leaf) {
	case 0:
		r.eax = xsave ? 0x15 : 7;
		memcpy(&r.ebx, "Auth", 4);
		memcpy(&r.edx, "enti", 4);
		memcpy(&r.ecx, "cAMD", 4);
		break;
	case 1:
		r.eax = cpu_model_signature(m);
		/* CLFLUSH of 64 bytes, how many threads, APIC id */
		r.ebx = 8 << 8 | m->n << 16 | id << 24;
		add_bits(m, leaf, 0, &r);
		if (m->n > 1)
			r.edx |= 1u << 28;	/* HTT: EBX counts */
		break;
	case 2:
		r.eax = 1;
		break;
	case 4:
		cache_leaf(m, subleaf, &r);
		break;
	case 5:			/* MONITOR lines */
		if (cpu_has(&m->features, FEAT_MONITOR)) {
			r.eax = r.ebx = 64;
			r.ecx = 1;
		}
		break;
	case 6:
		r.eax = 4;	/* the APIC timer always runs */
		break;
	case 7:
		if (subleaf == 0)
			add_bits(m, leaf, 0, &r);
		break;
	case 0xb:		/* topology: one thread a core */
		if (subleaf == 0) {
			r.ebx = 1;
			r.ecx = 0x100;
		} else if (subleaf == 1) {
			r.eax = 3;
			r.ebx = m->n;
			r.ecx = 0x201;
		} else {
			r.ecx = subleaf;
		}
		r.edx = id;
		break;
	case 0xd:
		if (!xsave)
			break;
		if (subleaf == 0) {
			r.eax = avx ? 7 : 3;
			r.ecx = avx ? 832 : 576;
			r.ebx = r.ecx;	/* the caller knows XCR0 */
		} else if (subleaf == 1) {
			add_bits(m, leaf, 1, &r);
			r.ebx = avx ? 832 : 576;
		} else if (subleaf == 2 && avx) {
			r.eax = 256;
			r.ebx = 576;
		}
		break;
	case 0x15:		/* TSC / crystal: 1 Hz steps at 1 MHz */
		if (xsave) {
			r.eax = 1000;
			r.ebx = cpu_tsc_hz() / 1000;
			r.ecx = 1000000;
		}
		break;
	case 0x40000000:	/* as Linux's KVM says it */
		if (!cpu_model_has(m, EXTRA_HYPERVISOR))
			break;
		r.eax = 0x40000010;
		memcpy(&r.ebx, "KVMK", 4);
		memcpy(&r.ecx, "VMKV", 4);
		memcpy(&r.edx, "M\0\0\0", 4);
		break;
	case 0x40000001:
		if (cpu_model_has(m, EXTRA_HYPERVISOR)) {
			add_bits(m, leaf, 0, &r);
			if (cpu_model_has(m, EXTRA_KVMCLOCK))
				r.eax |= 1u << 24;	/* stable across cpus */
		}
		break;
	case 0x40000010:
		if (cpu_model_has(m, EXTRA_HYPERVISOR)) {
			r.eax = cpu_tsc_hz() / 1000;
			r.ebx = 1000000;	/* APIC timer, kHz */
		}
		break;
	case 0x80000000:
		r.eax = 0x80000008;
		memcpy(&r.ebx, "Auth", 4);
		memcpy(&r.edx, "enti", 4);
		memcpy(&r.ecx, "cAMD", 4);
		break;
	case 0x80000001:
		r.eax = cpu_model_signature(m);
		add_bits(m, leaf, 0, &r);
		/* AMD: bits of leaf 1 once more */
		r.edx |= cpu_model_cpuid(m, id, 1, 0).edx & 0x0183f3ff;
		break;
	case 0x80000002: case 0x80000003: case 0x80000004:
		memcpy(&r, m->brand + 16 * (leaf - 0x80000002), 16);
		break;
	case 0x80000005:
		r.eax = r.ebx = 0x01ff01ff;
		r.ecx = r.edx = 0x20080140;
		break;
	case 0x80000006:
		r.ecx = 0x02008140;
		break;
	case 0x80000007:
		add_bits(m, leaf, 0, &r);
		break;
	case 0x80000008:
		r.eax = MEM_BITS | 48 << 8;
		r.ecx = m->n > 1 ? (3 << 12) | (m->n - 1) : 0;
		break;
	}
	return r;
}
