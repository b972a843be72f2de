/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpu-decode.c - the decoder finds the instructions that Zydis finds
 *
 * Random bytes and real binaries, in 16, 32 and 64-bit mode: the same lengths,
 * and the same text, so the same operands.  Where the two differ on purpose is
 * said in normalise() and in the tables before it.  The table's flags against
 * Zydis's.  Rules of the decoder that Zydis does not have are checked without
 * it.
 *
 * DECODE_TESTS=N decodes N random strings per mode instead of the usual few.
 */
#include <ctype.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cpu-forms.h"
#include "cpu/decode.h"
#include "cpu/disasm.h"
#include "cpu/flags.h"
#include "support/unit.h"

#if __has_include(<Zydis/Zydis.h>)
#include <Zydis/Zydis.h>
#else
#define NO_ZYDIS
#endif

static const struct cpu_features all = { ~CPU_FEATURES_NO_VEX };

static unsigned
decode_hex(const char *hex, enum decode_bits bits, struct insn *i)
{
	uint8_t b[32];
	unsigned n = 0, v;
	int used;

	for (; sscanf(hex, "%2x%n", &v, &used) == 1; hex += used)
		b[n++] = v;
	return decode(b, n, bits, false, 0, &all, i);
}

static bool
is(const char *hex, enum decode_bits bits, const char *mnemonic)
{
	struct insn i;

	decode_hex(hex, bits, &i);
	if (!strcmp(insn_descs[i.id].mnemonic, mnemonic))
		return true;
	printf("%s: %s, not %s\n", hex, insn_descs[i.id].mnemonic, mnemonic);
	return false;
}

/* --- Without Zydis ------------------------------------------------------- */

static void
fifteen_bytes_are_the_most(void)
{
	uint8_t b[64];
	struct insn i;

	memset(b, 0x66, sizeof b);
	for (unsigned n = 0; n < INSN_BYTES_MAX; n++)
		CU_ASSERT_EQUAL(decode(b, n, DECODE_64, true, 0, &all, &i),
		    DECODE_SHORT);
	CU_ASSERT_EQUAL(decode(b, 15, DECODE_64, true, 0, &all, &i), 15);
	CU_ASSERT_EQUAL(i.id, INSN_TOO_LONG);
	b[14] = 0x90;
	CU_ASSERT_EQUAL(decode(b, 15, DECODE_64, true, 0, &all, &i), 15);
	CU_ASSERT_EQUAL(i.id, INSN_NOP);
	/* 13 prefixes, then ADD AX, imm16 */
	b[13] = 0x05;
	CU_ASSERT_EQUAL(decode(b, 15, DECODE_32, true, 0, &all, &i), 15);
	CU_ASSERT_EQUAL(i.id, INSN_TOO_LONG);
	b[12] = 0x05;	/* with 66: imm16 */
	b[13] = b[14] = 0;
	CU_ASSERT_EQUAL(decode(b, 15, DECODE_32, true, 0, &all, &i), 15);
	CU_ASSERT_EQUAL(i.id, INSN_ADD_rAX_Iz);
	b[12] = 0x66;	/* no instruction, but above all too long */
	b[13] = 0x66;
	b[14] = b[15] = 0xff;
	CU_ASSERT_EQUAL(decode(b, 20, DECODE_64, true, 0, &all, &i), 15);
	CU_ASSERT_EQUAL(i.id, INSN_TOO_LONG);
	memset(b, 0x48, sizeof b);
	CU_ASSERT_EQUAL(decode(b, 64, DECODE_64, true, 0, &all, &i), 15);
	CU_ASSERT_EQUAL(i.id, INSN_TOO_LONG);
}

static void
lock_only_where_it_is_allowed(void)
{
	CU_ASSERT(is("f00118", DECODE_64, "add"));
	CU_ASSERT(is("f001d8", DECODE_64, "(bad)"));
	CU_ASSERT(is("f00318", DECODE_64, "(bad)"));
	CU_ASSERT(is("f03918", DECODE_64, "(bad)"));
	CU_ASSERT(is("f08b18", DECODE_64, "(bad)"));
	CU_ASSERT(is("f00fba2805", DECODE_64, "bts"));
	CU_ASSERT(is("f00fba2005", DECODE_64, "(bad)"));
	CU_ASSERT(is("f0480fc708", DECODE_64, "cmpxchg16b"));
	CU_ASSERT(is("f090", DECODE_64, "(bad)"));
}

static void
prefixes_count_where_they_stand(void)
{
	struct insn i;

	decode_hex("486601d8", DECODE_64, &i);	/* REX before 66: nothing */
	CU_ASSERT_EQUAL(i.size, 2);
	decode_hex("664801d8", DECODE_64, &i);
	CU_ASSERT_EQUAL(i.size, 8);
	CU_ASSERT(is("66f20f58c1", DECODE_64, "addsd"));
	CU_ASSERT(is("f266f30f58c1", DECODE_64, "addss"));
	CU_ASSERT(is("f366f20f58c1", DECODE_64, "addsd"));
	CU_ASSERT(is("c5f858c1", DECODE_64, "vaddps"));
	CU_ASSERT(is("66c5f858c1", DECODE_64, "(bad)"));
	CU_ASSERT(is("f3c5f858c1", DECODE_64, "(bad)"));
	CU_ASSERT(is("48c5f858c1", DECODE_64, "(bad)"));
	CU_ASSERT(is("f0c5f858c1", DECODE_64, "(bad)"));
	CU_ASSERT(is("64c5f85801", DECODE_64, "vaddps"));
	CU_ASSERT(is("c50801", DECODE_32, "lds"));
	CU_ASSERT(is("c50801", DECODE_64, "(bad)"));
	/* a branch's 66 says nothing in 64-bit mode */
	CU_ASSERT_EQUAL(decode_hex("66e900000000", DECODE_64, &i), 6);
	CU_ASSERT_EQUAL(i.size, 8);
	CU_ASSERT_EQUAL(decode_hex("66e90000", DECODE_32, &i), 4);
}

static void
features_that_are_not_there_change_what_is_decoded(void)
{
	static const uint8_t lzcnt[] = { 0xf3, 0x0f, 0xbd, 0xc1 };
	static const uint8_t andn[] = { 0xc4, 0xe2, 0x78, 0xf2, 0xc1 };
	static const uint8_t aesenc[] = { 0xc4, 0xe2, 0x79, 0xdc, 0xc1 };
	struct cpu_features f = all;
	struct insn i;

	f.bits &= ~(1ull << FEAT_LZCNT | 1ull << FEAT_AVX);
	CU_ASSERT_EQUAL(decode(lzcnt, 4, DECODE_64, true, 0, &f, &i), 4);
	CU_ASSERT_EQUAL(i.id, INSN_BSR_Gv_Ev);
	decode(lzcnt, 4, DECODE_64, true, 0, &all, &i);
	CU_ASSERT_EQUAL(i.id, INSN_LZCNT_Gv_Ev);
	decode(andn, 5, DECODE_64, true, 0, &f, &i);
	CU_ASSERT_EQUAL(i.id, INSN_ANDN_Gy_By_Ey);
	decode(aesenc, 5, DECODE_64, true, 0, &f, &i);
	CU_ASSERT_EQUAL(i.id, INSN_UD);
	f.bits = all.bits | CPU_FEATURES_NO_VEX;
	decode(andn, 5, DECODE_16, true, 0, &f, &i);
	CU_ASSERT_EQUAL(i.id, INSN_UD);
	f.bits = 0;
	decode(andn, 5, DECODE_64, true, 0, &f, &i);
	CU_ASSERT_EQUAL(i.id, INSN_UD);
	CU_ASSERT_EQUAL(decode((const uint8_t *)"\x9f", 1, DECODE_64, true, 0,
	    &f, &i), 1);
	CU_ASSERT_EQUAL(i.id, INSN_UD);
	decode((const uint8_t *)"\x9f", 1, DECODE_32, true, 0, &f, &i);
	CU_ASSERT_EQUAL(i.id, INSN_LAHF);
}

static void
addresses_are_as_the_handlers_want_them(void)
{
	static const uint8_t rip[] = {
		0x48, 0x8b, 0x05, 0xff, 0xff, 0xff, 0x7f,
	};
	static const uint8_t jump[] = { 0xeb, 0xfe };
	static const uint8_t load[] = { 0x8b, 0x45, 0xfc };
	static const uint8_t cs[] = { 0x2e, 0x8b, 0x45, 0xfc };
	static const uint8_t high[] = { 0x88, 0xe0 };
	struct insn i;

	decode(rip, 7, DECODE_64, true, 100, &all, &i);
	CU_ASSERT_EQUAL(i.base, REG_BLOCK);
	CU_ASSERT_EQUAL(i.disp, 0x7fffffffll + 107);
	CU_ASSERT_EQUAL(i.index, REG_ZERO);
	decode(jump, 2, DECODE_64, true, 100, &all, &i);
	CU_ASSERT_EQUAL(i.imm, 100);
	CU_ASSERT_EQUAL(i.flags, INSN_ENDS);
	decode(load, 3, DECODE_32, true, 0, &all, &i);
	CU_ASSERT_EQUAL(i.seg, SEG_FLAT);
	CU_ASSERT_EQUAL(i.flags, INSN_MEM);
	CU_ASSERT_EQUAL(i.amask, 0xffffffff);
	decode(load, 3, DECODE_32, false, 0, &all, &i);
	CU_ASSERT_EQUAL(i.seg, SEG_SS);
	CU_ASSERT_EQUAL(i.flags, INSN_MEM | INSN_CHECKED);
	decode(cs, 4, DECODE_32, true, 0, &all, &i);
	CU_ASSERT_EQUAL(i.seg, SEG_CS);
	CU_ASSERT_EQUAL(i.flags, INSN_MEM | INSN_CHECKED);
	decode(cs, 4, DECODE_64, false, 0, &all, &i);
	CU_ASSERT_EQUAL(i.seg, SEG_FLAT);
	decode(high, 2, DECODE_64, false, 0, &all, &i);
	CU_ASSERT_EQUAL(i.opd[1].off, 1);
}

/* Of every instruction found in random bytes. */
static void
an_instruction_is_short_of_its_last_byte(void)
{
	for (unsigned n = 0; n < 200000; n++) {
		enum decode_bits bits = n % 3;
		struct insn i, again;
		uint8_t b[64];
		unsigned len;

		for (unsigned k = 0; k < sizeof b; k += 8)
			memcpy(b + k, &(uint64_t){ rnd() }, 8);
		if (n & 8)
			b[0] = 0x0f;
		len = decode(b, sizeof b, bits, true, 7, &all, &i);
		if (i.id != INSN_TOO_LONG &&
		    decode(b, len - 1, bits, true, 7, &all, &again) !=
		    DECODE_SHORT)
			CU_FAIL("is not short of its last byte");
		if (decode(b, len, bits, true, 7, &all, &again) != len ||
		    memcmp(&i, &again, sizeof i))
			CU_FAIL("depends on what follows it");
	}
}

#ifdef NO_ZYDIS
int
main(void)
{
	printf("built without Zydis (libzydis-dev)\n");
	return 77;
}
#else

/* --- With Zydis ---------------------------------------------------------- */

/* Extensions that are not offered: to us these are no instructions. */
static const ZydisISAExt not_offered[] = {
	ZYDIS_ISA_EXT_AMD3DNOW, ZYDIS_ISA_EXT_AMD_INVLPGB,
	ZYDIS_ISA_EXT_AMX_BF16, ZYDIS_ISA_EXT_AMX_INT8, ZYDIS_ISA_EXT_AMX_TILE,
	ZYDIS_ISA_EXT_AVX512EVEX, ZYDIS_ISA_EXT_AVX512VEX,
	ZYDIS_ISA_EXT_AVX_VNNI, ZYDIS_ISA_EXT_CET, ZYDIS_ISA_EXT_CLZERO,
	ZYDIS_ISA_EXT_ENQCMD, ZYDIS_ISA_EXT_FMA4, ZYDIS_ISA_EXT_GFNI,
	ZYDIS_ISA_EXT_HRESET, ZYDIS_ISA_EXT_KEYLOCKER,
	ZYDIS_ISA_EXT_KEYLOCKER_WIDE, ZYDIS_ISA_EXT_KNC, ZYDIS_ISA_EXT_KNCE,
	ZYDIS_ISA_EXT_KNCV, ZYDIS_ISA_EXT_MCOMMIT, ZYDIS_ISA_EXT_MONITORX,
	ZYDIS_ISA_EXT_MOVDIR, ZYDIS_ISA_EXT_PADLOCK, ZYDIS_ISA_EXT_PCONFIG,
	ZYDIS_ISA_EXT_PKU, ZYDIS_ISA_EXT_PT, ZYDIS_ISA_EXT_RDPID,
	ZYDIS_ISA_EXT_RDPRU, ZYDIS_ISA_EXT_RTM, ZYDIS_ISA_EXT_SERIALIZE,
	ZYDIS_ISA_EXT_SGX, ZYDIS_ISA_EXT_SGX_ENCLV, ZYDIS_ISA_EXT_SMX,
	ZYDIS_ISA_EXT_SNP, ZYDIS_ISA_EXT_SSE4A, ZYDIS_ISA_EXT_SVM,
	ZYDIS_ISA_EXT_TBM, ZYDIS_ISA_EXT_TDX, ZYDIS_ISA_EXT_TSX_LDTRK,
	ZYDIS_ISA_EXT_UINTR, ZYDIS_ISA_EXT_VAES, ZYDIS_ISA_EXT_VMFUNC,
	ZYDIS_ISA_EXT_VPCLMULQDQ, ZYDIS_ISA_EXT_VTX, ZYDIS_ISA_EXT_WAITPKG,
	ZYDIS_ISA_EXT_XOP, ZYDIS_ISA_EXT_XSAVES,
};

static ZydisDecoder decoders[3];
static ZydisFormatter formatter;
static unsigned same, both_bad, left_out, reported, forms_seen;

static void
zydis_init(void)
{
	static const ZydisMachineMode modes[3] = {
		ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_MACHINE_MODE_LEGACY_32,
		ZYDIS_MACHINE_MODE_LONG_64,
	};
	static const ZydisStackWidth widths[3] = {
		ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32,
		ZYDIS_STACK_WIDTH_64,
	};
	static const ZydisFormatterProperty unpadded[] = {
		ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE,
		ZYDIS_FORMATTER_PROP_DISP_PADDING,
		ZYDIS_FORMATTER_PROP_IMM_PADDING,
	};

	for (unsigned n = 0; n < 3; n++) {
		ZydisDecoderInit(&decoders[n], modes[n], widths[n]);
		/* what these reserve is NOP to us */
		ZydisDecoderEnableMode(&decoders[n], ZYDIS_DECODER_MODE_MPX,
		    ZYAN_FALSE);
		ZydisDecoderEnableMode(&decoders[n],
		    ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
	}
	ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
	ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_FORCE_SIZE,
	    ZYAN_TRUE);
	ZydisFormatterSetProperty(&formatter,
	    ZYDIS_FORMATTER_PROP_IMM_SIGNEDNESS, ZYDIS_SIGNEDNESS_UNSIGNED);
	for (unsigned n = 0; n < 3; n++)
		ZydisFormatterSetProperty(&formatter, unpadded[n],
		    ZYDIS_PADDING_DISABLED);
}

static void
cut_out(char *p, size_t n)
{
	memmove(p, p + n, strlen(p + n) + 1);
}

static void
replace(char *text, const char *from, const char *to)
{
	char rest[256], *p = strstr(text, from);

	if (!p)
		return;
	snprintf(rest, sizeof rest, "%s", p + strlen(from));
	sprintf(p, "%s%s", to, rest);
}

/* What Zydis writes otherwise and means the same. */
static void
normalise(char *z, char *ours, const struct insn *i, enum decode_bits bits)
{
	static const char *const words[][2] = {
		{ "xacquire ", "" }, { "xrelease ", "" }, { "bnd ", "" },
		{ "notrack ", "" }, { "zmmword", "byte" },
		{ "feni8087_nop", "fneni" }, { "fdisi8087_nop", "fndisi" },
		{ "fsetpm287_nop", "fnsetpm" }, { "fstpnce", "fstp" },
	};
	char *p;

	if (strstr(z, "notrack "))
		replace(ours, "ds:", "");
	for (unsigned n = 0; n < sizeof words / sizeof *words; n++)
		replace(z, words[n][0], words[n][1]);
	for (p = z; (p = strstr(p, "*1")); p++)
		if (strchr("]+-", p[2]))
			cut_out(p, 2);
	/* a segment that is the default */
	p = strchr(z, '[');
	if (p && p - z > 3) {
		bool stack = i->base == 4 || i->base == 5;

		if (!strncmp(p - 3, stack ? "ss:" : "ds:", 3))
			cut_out(p - 3, 3);
	}
	/* branch targets of 64 bits in 32-bit code */
	for (p = z; bits != DECODE_64 && (p = strstr(p, "0xFFFFFFFF")); p++)
		if (isxdigit((unsigned char)p[10]))
			cut_out(p + 2, 8);
	while ((p = strstr(z, ":0x0")) && p[4])
		cut_out(p + 3, 1);
	/* x87: st0 is not written everywhere */
	if (!strstr(z, "st0,"))
		replace(ours, " st0, ", " ");
	/* strings: without the segment */
	if ((p = strstr(ours, "s:")) && !p[2])
		p[-2] = 0;
	/* reserved NOPs have a second operand, 0F 1F /0 has not */
	if (!strncmp(z, "nop ", 4) && (p = strstr(z, ", ")))
		*p = 0;
	if (!strncmp(z, "nop ", 4) && !strstr(z, "["))
		z[3] = ours[3] = 0;
	/* LAR and LSL read 16 bits of a register */
	if (!strncmp(z, "lar", 3) || !strncmp(z, "lsl", 3)) {
		if ((p = strstr(z, ", ")) && !strstr(p, "["))
			*p = 0;
		if ((p = strstr(ours, ", ")) && !strstr(p, "["))
			*p = 0;
	}
}

/* Cases in which Zydis 4.0 says something else than the manual. */
static bool
is_known(const uint8_t *b, const struct insn *i,
    const ZydisDecodedInstruction *z, enum decode_bits bits)
{
	/* MOVSXD with 66 reads r/m16 (SDM, MOVSXD) */
	if (bits == DECODE_64 && i->id == INSN_MOVSXD_Gv_Ez && i->size == 2)
		return true;
	/* F3 90 with REX.B: XCHG with R8; so do processors */
	if (z->mnemonic == ZYDIS_MNEMONIC_PAUSE && i->prefix & PREFIX_REX)
		return true;
	/* SIB with mod 0, base 5 has no base, whatever REX.B is (SDM 2.2.1.2):
	 * with 32-bit addresses Zydis takes R13D. */
	if (bits == DECODE_64 && i->asize == 4 && i->base == REG_ZERO &&
	    z->raw.modrm.mod == 0 && z->raw.sib.base == 5)
		return true;
	/* RDSSP is NOP where there is no CET (SDM 1, 17.2.4) */
	if (z->meta.isa_ext == ZYDIS_ISA_EXT_CET &&
	    !strcmp(insn_descs[i->id].mnemonic, "nop"))
		return true;
	/* MOVMSKPx with REX.W: the upper half is zero anyhow */
	if (z->raw.rex.W && (i->id == INSN_MOVMSKPS_Gd_Ups ||
	    i->id == INSN_MOVMSKPD_Gd_Upd))
		return true;
	/* EBP without a base but as an index: not SS but DS is the default */
	if (i->base == REG_ZERO && i->index == 5)
		return true;
	return false;
}

static void
report(const uint8_t *b, enum decode_bits bits, const char *ours,
    const char *z)
{
	if (reported++ > 30)
		return;
	printf("\n%d bits ", 16 << bits);
	for (unsigned n = 0; n < 15; n++)
		printf("%02x", b[n]);
	printf(": ours '%s', Zydis '%s'", ours, z);
}

/* Flags as Zydis has them.  Where the manual says otherwise it is the manual
 * that the table follows. */
static void
compare_flags(const struct insn *i, const ZydisDecodedInstruction *z)
{
	static bool seen[INSN_N];
	const struct insn_desc *d = &insn_descs[i->id];
	uint32_t written, read, undefined, ours = d->writes | d->undefined;

	if (seen[i->id] || !z->cpu_flags)
		return;
	seen[i->id] = true;
	forms_seen++;
	written = (z->cpu_flags->modified | z->cpu_flags->set_0 |
	    z->cpu_flags->set_1 | z->cpu_flags->undefined) & FLAGS_ARITH;
	read = z->cpu_flags->tested & FLAGS_ARITH;
	undefined = z->cpu_flags->undefined & FLAGS_ARITH;
	/* faults, and loads all of RFLAGS: not arithmetic */
	if (!strcmp(d->exec, "x_ud") || !strcmp(d->exec, "x_syscall"))
		return;
	/* any condition; Zydis names that of the bytes at hand */
	if (strstr(d->encoding, "+cc") && !(read & ~d->reads))
		read = d->reads;
	/* by REPE alone */
	if (!strcmp(d->exec, "x_cmps") || !strcmp(d->exec, "x_scas"))
		read = 0;
	/* AF of SBB is the borrow's; OF of shifts by 1 is defined, and AF of
	 * rotates is left alone (SDM, SBB, SAL, RCL) */
	if (!strcmp(d->exec, "x_sbb") ||
	    (d->operands[0] == 'E' && strchr(d->operands, '1')))
		undefined &= d->undefined;
	/* CF of a count that is too large (SDM, SAL, SHLD) */
	if (!strncmp(d->exec, "x_sh", 4))
		undefined |= d->undefined & FLAG_CF;
	/* all six (SDM, PTEST, VTESTPD); CF and OF are cleared (SDM, BEXTR) */
	if (!strncmp(d->exec, "x_vtest", 7) || !strcmp(d->exec, "x_ptest"))
		written = ours;
	if (!strcmp(d->exec, "x_bextr"))
		undefined = d->undefined;
	if (ours == written && d->reads == read && d->undefined == undefined)
		return;
	reported++;
	printf("\nflags of %s %s %s: ours written %x undefined %x read %x, "
	    "Zydis %x %x %x", d->mnemonic, d->encoding, d->operands,
	    d->writes, d->undefined, d->reads, written, undefined, read);
}

/* One instruction by both; its length. */
static unsigned
compare(const uint8_t *b, unsigned avail, enum decode_bits bits)
{
	ZydisDecodedOperand zo[ZYDIS_MAX_OPERAND_COUNT];
	char ours[DISASM_MAX] = "(bad)", theirs[256] = "(bad)";
	ZydisDecodedInstruction z;
	struct insn i;
	unsigned len = decode(b, avail, bits, false, 0, &all, &i);
	bool good = i.id > INSN_TOO_LONG, zgood;

	zgood = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoders[bits], b,
	    avail < 15 ? avail : 15, &z, zo));
	if (len == DECODE_SHORT)
		return 0;
	if (!good && !zgood) {
		both_bad++;
		return len;
	}
	if (good)
		disasm(&i, bits, 0x1000, ours, sizeof ours);
	if (zgood) {
		ZydisFormatterFormatInstruction(&formatter, &z, zo,
		    z.operand_count_visible, theirs, sizeof theirs, 0x1000,
		    ZYAN_NULL);
		for (unsigned n = 0; !good && n < sizeof not_offered /
		    sizeof *not_offered; n++)
			if (z.meta.isa_ext == not_offered[n]) {
				left_out++;
				return z.length;
			}
	}
	if (good && zgood) {
		normalise(theirs, ours, &i, bits);
		if (len == z.length && (!strcmp(ours, theirs) ||
		    is_known(b, &i, &z, bits))) {
			same++;
			compare_flags(&i, &z);
			return len;
		}
	}
	report(b, bits, ours, theirs);
	return zgood ? z.length : len;
}

static void
random_bytes_decode_alike(void)
{
	const char *more = getenv("DECODE_TESTS");
	unsigned long n = more ? strtoul(more, NULL, 0) : 150000;

	same = both_bad = left_out = reported = 0;
	for (enum decode_bits bits = DECODE_16; bits <= DECODE_64; bits++)
		for (unsigned long k = 0; k < n; k++) {
			uint64_t r = rnd();
			uint8_t b[24];
			unsigned p = 0;

			for (unsigned j = 0; j < sizeof b; j += 8)
				memcpy(b + j, &(uint64_t){ rnd() }, 8);
			/* towards the interesting ones */
			if ((r >> 20 & 7) < 2) {
				b[0] = r >> 20 & 1 ? 0xc5 : 0xc4;
				if (b[0] == 0xc4)
					b[1] = (b[1] & 0xe0) |
					    (1 + (r >> 30) % 3);
				if (bits != DECODE_64)
					b[1] |= 0xc0;
			} else {
				if (r & 1)
					b[p++] = "\x66\xf2\xf3\x66\x0f\x67"
					    "\xf0\x64"[r >> 8 & 7];
				if (r & 2 && bits == DECODE_64)
					b[p++] = 0x40 | (r >> 12 & 15);
				if (r & 4) {
					b[p++] = 0x0f;
					if (r & 8)
						b[p++] = r & 16 ? 0x38 : 0x3a;
				}
			}
			compare(b, sizeof b, bits);
		}
	printf("\n    %u alike (%u forms of %u), %u bad to both, %u not "
	    "offered, %u differ ", same, forms_seen, INSN_N, both_bad,
	    left_out, reported);
	CU_ASSERT_EQUAL(reported, 0);
	CU_ASSERT(same > n);
}

/* Random bytes do not get to all of them. */
static void
every_form_decodes_alike(void)
{
	unsigned made = 0;

	same = reported = 0;
	for (unsigned id = INSN_TOO_LONG + 1; id < INSN_N; id++) {
		bool any = false;

		for (unsigned k = 0; k < 20; k++) {
			struct instance f;
			bool is_long = k & 1;

			if (!form_make(id, is_long ? 64 : 32, &all, &f))
				continue;
			compare(f.b, f.len, is_long ? DECODE_64 : DECODE_32);
			any = true;
		}
		made += any;
		if (!any && !strstr(insn_descs[id].encoding, "a16"))
			printf("\n    no instance of %s %s",
			    insn_descs[id].mnemonic, insn_descs[id].encoding);
	}
	printf("\n    %u forms of %u, %u alike ", made, INSN_N - 2, same);
	CU_ASSERT_EQUAL(reported, 0);
	CU_ASSERT(made >= INSN_N - 3);
}

static uint8_t *
map_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *p = MAP_FAILED;

	if (fd >= 0 && !fstat(fd, &st) && st.st_size > 64)
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd,
		    0);
	if (fd >= 0)
		close(fd);
	*size = p == MAP_FAILED ? 0 : (size_t)st.st_size;
	return p == MAP_FAILED ? NULL : p;
}

/* One after the other; most bytes of them at once. */
static void
sweep(const char *path, const uint8_t *code, size_t size,
    enum decode_bits bits)
{
	unsigned before = same;
	size_t at = 0, most = getenv("DECODE_TESTS") ? size : 400000;

	while (at < size && at < most) {
		unsigned len = compare(code + at, size - at < 64 ?
		    (unsigned)(size - at) : 64, bits);

		at += len ? len : 1;
	}
	printf("\n    %s, %d bits: %u alike ", path, 16 << bits,
	    same - before);
}

static void
binaries_decode_alike(void)
{
	static const char *const elf[] = {
		"/bin/bash", "/lib/x86_64-linux-gnu/libc.so.6",
	};
	static const char *const raw[] = { "/usr/share/seabios/bios-256k.bin" };
	size_t size;

	same = reported = 0;
	for (unsigned n = 0; n < 2; n++) {
		uint8_t *p = map_file(elf[n], &size);
		const Elf64_Ehdr *h = (const Elf64_Ehdr *)p;

		if (!p || memcmp(p, ELFMAG, 4) || h->e_machine != EM_X86_64)
			continue;
		for (unsigned k = 0; k < h->e_phnum; k++) {
			Elf64_Phdr ph;

			memcpy(&ph, p + h->e_phoff + k * sizeof ph, sizeof ph);
			if (ph.p_type == PT_LOAD && ph.p_flags & PF_X)
				sweep(elf[n], p + ph.p_offset, ph.p_filesz,
				    DECODE_64);
		}
		munmap(p, size);
	}
	for (unsigned n = 0; n < 1; n++) {
		uint8_t *p = map_file(raw[n], &size);

		if (!p)
			continue;
		sweep(raw[n], p + size / 2, size / 2, DECODE_16);
		sweep(raw[n], p + size / 2, size / 2, DECODE_32);
		munmap(p, size);
	}
	CU_ASSERT_EQUAL(reported, 0);
}

/* Not a claim about speed: a figure to look at. */
static void
libc_decodes_in_a_moment(void)
{
	size_t size, at = 0x30000;
	uint8_t *p = map_file("/lib/x86_64-linux-gnu/libc.so.6", &size);
	struct timespec a, b;
	unsigned n = 0;
	struct insn i;

	if (!p)
		return;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (; at < 0x150000 && at + 64 < size; n++)
		at += decode(p + at, 64, DECODE_64, true, 0, &all, &i);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	printf("\n    %u instructions, %.1f ns each ", n,
	    ((double)(b.tv_sec - a.tv_sec) * 1e9 +
	    (double)(b.tv_nsec - a.tv_nsec)) / n);
	CU_ASSERT(n > 100000);
	munmap(p, size);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "fifteen bytes are the most", fifteen_bytes_are_the_most },
		{ "LOCK only where it is allowed",
		    lock_only_where_it_is_allowed },
		{ "prefixes count where they stand",
		    prefixes_count_where_they_stand },
		{ "features that are not there change what is decoded",
		    features_that_are_not_there_change_what_is_decoded },
		{ "addresses are as the handlers want them",
		    addresses_are_as_the_handlers_want_them },
		{ "an instruction is short of its last byte",
		    an_instruction_is_short_of_its_last_byte },
		{ "random bytes decode alike", random_bytes_decode_alike },
		{ "every form decodes alike", every_form_decodes_alike },
		{ "binaries decode alike", binaries_decode_alike },
		{ "libc decodes in a moment", libc_decodes_in_a_moment },
		{ NULL, NULL },
	};

	zydis_init();
	return unit_run("decoder", tests);
}
#endif
