# SPDX-License-Identifier: LGPL-2.1-or-later
#
# cowbird's build: one Makefile, one $(wildcard) per folder, nothing to
# register.  A new source file is found because of where it lies.
#
#   make                 build/bin/cowbird-*, build/lib/libcowbird.{a,so.0}
#   make check           all tests, the sanitizer runs included
#   make check-ceph      rbd: images, on a Ceph cluster of its own (tests/ceph/setup)
#   make check-boot      whole systems on cowbird-emu, for an hour
#   make SAN=1           the same tree under build/san, with ASan and UBSan
#   make TSAN=1          under build/tsan, with TSan
#   make DEBUG=1         under build/debug, hardly optimised
#   make WERROR=0        warnings stay warnings (for packagers)
#   make WITHOUT="libzstd libcurl"    as if these were not installed
#   make V=1             show the commands
#   make install PREBUILT=1    install what is there, build nothing
#
# CC, AR, CFLAGS, CPPFLAGS, LDFLAGS, PKG_CONFIG, DESTDIR, PREFIX, BINDIR,
# LIBDIR, INCLUDEDIR, MANDIR, DATADIR, UNITDIR and NBDKIT_PLUGINDIR are the
# caller's to set.

VERSION := $(shell cat VERSION)
SONAME  := libcowbird.so.0
SOREAL  := $(SONAME).1.0

# gcc, unless the caller said otherwise (make's own default is cc).
ifeq ($(origin CC),default)
CC := gcc
endif
PKG_CONFIG ?= pkg-config

PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR    ?= $(PREFIX)/share
MANDIR     ?= $(DATADIR)/man

# --- Variants: each has its own objects, libraries, binaries and tests ------

HARDEN := -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
ifdef SAN
B       := build/san
CFLAGS  ?= -O1 -g
VARIANT := -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer -Wno-maybe-uninitialized
else ifdef TSAN
B       := build/tsan
CFLAGS  ?= -O1 -g
VARIANT := -fsanitize=thread -fno-omit-frame-pointer \
	-Wno-maybe-uninitialized -Wno-error=tsan
else ifdef FUZZ
B       := build/fuzz
CC      := clang
WERROR  := 0
CFLAGS  ?= -O1 -g
VARIANT := -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all -fno-omit-frame-pointer
else ifdef DEBUG
B       := build/debug
CFLAGS  ?= -Og -g3
else
B       := build
CFLAGS  ?= -O2 -g $(HARDEN)
LDFLAGS ?= -Wl,-O1 -Wl,-z,relro -Wl,-z,now
endif

# --- Libraries --------------------------------------------------------------

# The library and the tools may link libc and these, io libedit besides
# (tests/style/needed-libs.sh); liburing only as an archive.  Anything heavier
# is a module.
PACKAGES := zlib libzstd libdeflate json-c libedit liburing
# Of tools that are not built without them, and of modules.
TOOL_PKGS   := fuse3 gnutls libpng ncursesw libseccomp
MODULE_PKGS := libnbd libcurl libssh librbd liblzma bzip2 nbdkit
ALL_PKGS := $(PACKAGES) $(TOOL_PKGS) $(MODULE_PKGS)
# Debian's bzip2 and librbd have no .pc file: they show by their headers.
have_header = $(shell printf '\043include <$1>\n' | \
	$(CC) -E - >/dev/null 2>&1 && echo $2)
FOUND    := $(filter-out $(WITHOUT),$(shell for p in $(ALL_PKGS); do \
	$(PKG_CONFIG) --exists $$p && echo $$p; done) \
	$(call have_header,bzlib.h,bzip2) $(call have_header,rbd/librbd.h,librbd))
MISSING  := $(filter-out $(FOUND),$(ALL_PKGS))
LIB_PKGS := $(filter-out libedit liburing $(TOOL_PKGS) $(MODULE_PKGS),$(FOUND))

comma := ,
have = $(if $(filter $1,$(FOUND)),-D$2)
# Flags of those of these packages that are there; two have no .pc file.
pkg_libs = $(foreach p,$(filter $(FOUND),$1),$(if $(filter bzip2,$p),-lbz2,\
	$(if $(filter librbd,$p),-lrbd -lrados,\
	$(shell $(PKG_CONFIG) --libs $p))))
LIB_LIBS  := $(call pkg_libs,$(LIB_PKGS)) $(if $(filter liburing,$(FOUND)),\
	-Wl$(comma)-Bstatic -luring -Wl$(comma)-Bdynamic)
EDIT_LIBS := $(call pkg_libs,libedit)

# --- Flags ------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wvla -Wno-unused-parameter -Wno-format-truncation \
	$(if $(filter 0,$(WERROR)),,-Werror)

# One set of objects serves the static and the shared library.  What the
# shared one exports is said in formats/cowbird.map and nowhere else.
ALL_CFLAGS = -std=gnu11 -pthread -fPIC -fno-semantic-interposition \
	$(WARNINGS) -Iformats -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
	-DCOWBIRD_VERSION=\"$(VERSION)\" \
	$(call have,libzstd,HAVE_ZSTD) \
	$(call have,libdeflate,HAVE_LIBDEFLATE) \
	$(call have,json-c,HAVE_JSONC) \
	$(call have,libedit,HAVE_LIBEDIT) \
	$(call have,liburing,HAVE_URING) \
	$(call have,gnutls,HAVE_GNUTLS) \
	$(call have,libpng,HAVE_PNG) \
	$(call have,ncursesw,HAVE_CURSES) \
	$(call have,libseccomp,HAVE_SECCOMP) \
	$(call have,liblzma,HAVE_LZMA) \
	$(call have,bzip2,HAVE_BZIP2) \
	-DMODULE_DIR=\"$(LIBDIR)/cowbird\" \
	$(if $(FOUND),$(shell $(PKG_CONFIG) --cflags \
		$(filter-out bzip2 librbd,$(FOUND)))) \
	-ffile-prefix-map=$(CURDIR)=. $(CPPFLAGS) $(CFLAGS) $(VARIANT)
ALL_LDFLAGS = -pthread -Wl,--as-needed -Wl,--hash-style=gnu $(LDFLAGS) $(VARIANT)
ALL_CFLAGS := $(strip $(ALL_CFLAGS))
ALL_LDFLAGS := $(strip $(ALL_LDFLAGS))

# --- Sources ----------------------------------------------------------------

CLI_SRC := $(wildcard formats/cli/*.c)
# One module each, and what it cannot be built without.
MODULE_SRC := $(wildcard formats/modules/*.c)
needs_nbd  := libnbd
needs_curl := libcurl
needs_ssh  := libssh
needs_rbd  := librbd
MODULE_SRC := $(foreach m,$(MODULE_SRC),$(if $(filter-out $(FOUND),\
	$(needs_$(basename $(notdir $m)))),,$m))
# What else goes into a module lies in a folder of its name.
more_of = $(wildcard formats/modules/$1/*.c)
MODULE_MORE := $(foreach m,$(MODULE_SRC),$(call more_of,$(basename $(notdir $m))))
LIB_SRC := $(filter-out $(CLI_SRC) formats/modules/%,\
	$(wildcard formats/*.c formats/*/*.c))
TOOLS   := $(foreach t,img io nbd fuse emu,$(if $(wildcard $t/*.c),$t))
TOOLS   := $(if $(filter fuse3,$(FOUND)),$(TOOLS),$(filter-out fuse,$(TOOLS)))
PLUGIN_SRC := $(if $(filter nbdkit,$(FOUND)),$(wildcard nbd/plugin/*.c))
tool_src = $(filter-out nbd/plugin/%,$(wildcard $1/*.c $1/*/*.c))
# The server and the emulator without their main(), for tests too.
SERVE_SRC := $(filter-out nbd/main.c,$(call tool_src,nbd))
EMU_SRC   := $(if $(filter emu,$(TOOLS)),$(filter-out emu/main.c,\
	$(call tool_src,emu)))

# Compiled from ACPI's language to C, in which it is data.
EMU_ASL   := $(if $(EMU_SRC),$(wildcard emu/fw/*.asl))
# Code that the guest runs.
EMU_ROM   := $(if $(EMU_SRC),$(wildcard emu/fw/*.S))

SUPPORT_SRC := $(wildcard tests/support/*.c)	# shared by test programs
UNIT_SRC    := $(wildcard tests/lib/*.c tests/formats/*.c) \
	$(if $(EMU_SRC),$(wildcard tests/emu/*.c))
CRASH_SRC   := $(wildcard tests/crash/*.c)
FUZZ_SRC    := $(wildcard tests/fuzz/*.c)
REPLAY_SRC  := tests/fuzz/replay/main.c
BENCH_SRC   := $(wildcard tests/bench/*.c)
TEST_SRC    := $(SUPPORT_SRC) $(UNIT_SRC) $(CRASH_SRC) $(FUZZ_SRC) \
	$(REPLAY_SRC) $(BENCH_SRC)

obj = $(patsubst %.c,$(B)/obj/%.o,$1)
ALL_SRC := $(LIB_SRC) $(CLI_SRC) $(foreach t,$(TOOLS),$(call tool_src,$t)) \
	$(MODULE_SRC) $(MODULE_MORE) $(PLUGIN_SRC) $(TEST_SRC)

LIB      := $(B)/lib/libcowbird.a
CLI      := $(B)/lib/libcli.a
SERVE    := $(if $(SERVE_SRC),$(B)/lib/libserve.a)
MODULES  := $(patsubst formats/modules/%.c,$(B)/lib/cowbird/%.so,$(MODULE_SRC))
PLUGIN   := $(if $(PLUGIN_SRC),$(B)/lib/nbdkit/nbdkit-cowbird-plugin.so)
EMU      := $(if $(EMU_SRC),$(B)/lib/libemu.a)
SHARED   := $(B)/lib/$(SONAME)
EMU_AML  := $(patsubst %.asl,$(B)/gen/%.o,$(EMU_ASL)) \
	$(patsubst %.S,$(B)/obj/%.o,$(EMU_ROM))
BINS     := $(patsubst %,$(B)/bin/cowbird-%,$(TOOLS))
PROGRAMS := $(patsubst %.c,$(B)/%,$(UNIT_SRC) $(CRASH_SRC))
TARGETS  := $(patsubst %.c,$(B)/%,$(FUZZ_SRC))
THREADED := $(foreach p,$(PROGRAMS),$(if $(findstring thread,$p),$p))

# --- Stamps: what was built with which flags, from which sources ------------

say = $(if $(V),,@printf '  %-5s %s\n' $1 $2)
Q  := $(if $(V),,@)

.PHONY: all check check-all check-asan check-boot check-ceph check-tsan tests \
	thread-tests bench bench-emu fuzz \
	fuzz-targets style man install install-compat uninstall clean
all:

ifneq ($(MAKECMDGOALS),clean)
ifndef PREBUILT
ifeq ($(filter zlib,$(FOUND)),)
$(error zlib is required and $(PKG_CONFIG) does not find it: install \
	zlib1g-dev and pkg-config (or run ./bootstrap deps))
endif
FLAGS := $(CC) $(ALL_CFLAGS) / $(ALL_LDFLAGS) $(LIB_LIBS) $(EDIT_LIBS)
ifneq ($(file <$(B)/flags),$(FLAGS))
$(shell mkdir -p $(B))
$(file >$(B)/flags,$(FLAGS))
$(info $(B): with $(FOUND)$(if $(MISSING),; missing (optional): $(MISSING)))
endif
ifneq ($(file <$(B)/sources),$(ALL_SRC))
$(file >$(B)/sources,$(ALL_SRC))
endif
endif
endif

# --- The library and the tools ----------------------------------------------

all: $(LIB) $(BINS) $(MODULES) $(PLUGIN) $(if $(VARIANT),,$(SHARED))

$(B)/obj/%.o: %.c $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(MORE) -MMD -MP -c -o $@ $<

$(B)/obj/%.o: %.S $(B)/flags
	$(call say,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -c -o $@ $<

$(B)/obj/tests/%.o: MORE := -Itests -Wno-missing-prototypes
$(B)/obj/tests/emu/%.o $(B)/obj/tests/fuzz/emu_%.o: MORE += -Iemu
# Handlers run the next one by a call that is to be a jump (emu/cpu/state.h).
$(B)/obj/emu/%.o: MORE := -Iemu -foptimize-sibling-calls

# The C preprocessor first: iasl's own has no macros with arguments.
$(B)/gen/%.c: %.asl
	$(call say,IASL,$<)
	@mkdir -p $(@D)
	@command -v iasl >/dev/null || { echo "cowbird-emu is built with \
	iasl: install acpica-tools (or run ./bootstrap deps)" >&2; exit 1; }
	$(Q)$(CC) -E -P -undef -x c $< >$(@:.c=.dsl)
	$(Q)iasl -vr -p $(@:.c=) -tc $(@:.c=.dsl) >$(@:.c=.log) 2>&1 || \
		{ cat $(@:.c=.log) >&2; exit 1; }
	$(Q)sed 's/^unsigned char/const unsigned char/' $(@:.c=.hex) >$@.new
	$(Q)echo 'const unsigned $(*F)_aml_len = sizeof($(*F)_aml_code);' \
		>>$@.new
	$(Q)mv $@.new $@

.SECONDARY: $(patsubst %.asl,$(B)/gen/%.c,$(EMU_ASL))
$(B)/gen/%.o: $(B)/gen/%.c $(B)/flags
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(LIB): $(call obj,$(LIB_SRC)) $(B)/sources
$(CLI): $(call obj,$(CLI_SRC)) $(B)/sources
$(SERVE): $(call obj,$(SERVE_SRC)) $(B)/sources
$(EMU): $(call obj,$(EMU_SRC)) $(EMU_AML) $(B)/sources
$(B)/tests/libsupport.a: $(call obj,$(SUPPORT_SRC)) $(B)/sources
$(B)/%.a:
	$(call say,AR,$@)
	@mkdir -p $(@D) && rm -f $@
	$(Q)$(AR) rcsD $@ $(filter %.o,$^)

$(SHARED): $(call obj,$(LIB_SRC)) formats/cowbird.map $(B)/sources
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -Wl,-soname,$(SONAME) -Wl,-z,defs \
		-Wl,--version-script=formats/cowbird.map $(ALL_LDFLAGS) \
		-o $@ $(filter %.o,$^) $(LIB_LIBS)
	@ln -sf $(SONAME) $(@D)/libcowbird.so

# A module brings its own copy of what it uses of the library and exports its
# table alone: it works in the tools, which have the library inside, and below
# the shared library, which shows none of this.
$(MODULES): $(B)/lib/cowbird/%.so: $(B)/obj/formats/modules/%.o $(LIB)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared $(if $(VARIANT),,-Wl$(comma)-z$(comma)defs) \
		-Wl,--exclude-libs,ALL $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) \
		$(LIB) $(LIBS) $(LIB_LIBS)
$(foreach m,$(MODULES),$(eval $m: $(call obj,$(call more_of,$(basename \
	$(notdir $m))))))
$(B)/lib/cowbird/nbd.so: LIBS := $(call pkg_libs,libnbd)
$(B)/lib/cowbird/curl.so: LIBS := $(call pkg_libs,libcurl)
$(B)/lib/cowbird/ssh.so: LIBS := $(call pkg_libs,libssh)
$(B)/lib/cowbird/rbd.so: LIBS := $(call pkg_libs,librbd)
$(B)/lib/cowbird/unpack.so: LIBS := $(call pkg_libs,liblzma bzip2)

$(PLUGIN): $(call obj,$(PLUGIN_SRC)) $(LIB)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -Wl,--exclude-libs,ALL $(ALL_LDFLAGS) -o $@ \
		$(filter %.o %.a,$^) $(LIB_LIBS)

link = $(Q)mkdir -p $(@D) && $(CC) -pie $(ALL_LDFLAGS) -o $@ \
	$(filter %.o %.a,$^) $(LIBS) $(LIB_LIBS)

define tool
$(B)/bin/cowbird-$1: $(call obj,$(call tool_src,$1)) \
		$(if $(filter emu,$1),$(EMU_AML)) $(CLI) $(LIB)
	$$(call say,LD,$$@)
	$$(link)
endef
$(foreach t,$(TOOLS),$(eval $(call tool,$t)))
$(B)/bin/cowbird-io: LIBS := $(EDIT_LIBS)
$(B)/bin/cowbird-nbd: LIBS := $(call pkg_libs,gnutls)
$(B)/bin/cowbird-fuse: LIBS := $(call pkg_libs,fuse3)
$(B)/bin/cowbird-emu: LIBS := $(call pkg_libs,libpng ncursesw libseccomp)

# --- Tests ------------------------------------------------------------------

tests: $(PROGRAMS) $(TARGETS)
thread-tests: $(THREADED)

tests thread-tests: $(MODULES)

$(PROGRAMS): LIBS = $(shell $(PKG_CONFIG) --libs cunit || echo -lcunit) \
	$(call pkg_libs,gnutls libpng ncursesw \
	libseccomp)
$(B)/tests/emu/cpu-decode: LIBS += $(call have_header,Zydis/Zydis.h,-lZydis)
$(PROGRAMS): $(B)/tests/%: $(B)/obj/tests/%.o $(B)/tests/libsupport.a \
		$(SERVE) $(EMU) $(CLI) $(LIB)
	$(call say,LD,$@)
	$(link)

# A fuzz target is linked with libFuzzer by clang (make fuzz), and otherwise
# with a driver that runs it over files: that is how check uses the corpus.
$(TARGETS): LIBS := $(if $(FUZZ),-fsanitize=fuzzer) $(call pkg_libs,gnutls)
$(TARGETS): $(B)/tests/%: $(B)/obj/tests/%.o \
		$(if $(FUZZ),,$(call obj,$(REPLAY_SRC))) \
		$(B)/tests/libsupport.a $(SERVE) $(EMU) $(CLI) $(LIB)
	$(call say,LD,$@)
	$(link)

# Of emu/ the programs: its scripts are for the plain build's tools.
ASAN_SUITE := 'san:lib/*' 'san:formats/*' 'san:crash/*' 'san:fuzz/*' \
	$(patsubst tests/%.c,san:%,$(filter tests/emu/%,$(UNIT_SRC)))

# Everything under one closing line: the plain build runs all, the sanitizer
# build the programs and the corpus, the TSan build what has threads.
check: $(if $(SAN),check-asan,$(if $(TSAN),check-tsan,check-all))
check-all: all tests
	$(Q)+$(MAKE) --no-print-directory SAN=1 tests
	$(Q)+$(MAKE) --no-print-directory TSAN=1 thread-tests
	$(Q)tests/run '*' $(ASAN_SUITE) 'tsan:*'

check-asan:
	$(Q)+$(MAKE) --no-print-directory SAN=1 tests
	$(Q)tests/run $(ASAN_SUITE)

check-tsan:
	$(Q)+$(MAKE) --no-print-directory TSAN=1 thread-tests
	$(Q)tests/run 'tsan:*'

# Not a part of check: it needs packages that few have.
check-ceph: all
	$(Q)BUILD=$(CURDIR)/$(B) tests/ceph/run

# Whole systems on cowbird-emu, minutes each.  EMU names another emulator.
check-boot: all
	$(Q)BOOT_TESTS=1 tests/run -j 1 -t 1800 'boot/*'

fuzz:
	$(Q)command -v clang >/dev/null || { echo "make fuzz needs clang and \
	its libFuzzer (clang, libclang-rt-dev)" >&2; exit 1; }
	$(Q)+$(MAKE) --no-print-directory FUZZ=1 fuzz-targets

fuzz-targets: $(TARGETS)
	@for t in $(TARGETS); do \
		echo "$$t tests/fuzz/corpus/$${t##*/}"; done

style: all
	$(Q)tests/run 'style/*'

man:
	$(if $(wildcard man/*.[1-8]),mandoc -Tlint -W warning \
		$(wildcard man/*.[1-8]),@echo "no pages in man/" >&2; exit 1)

BENCH := $(patsubst %.c,$(B)/%,$(BENCH_SRC))
bench: all $(BENCH)
	$(Q)BUILD=$(CURDIR)/$(B) tests/bench/run

# The emulator against the peer's, on the same guest.
bench-emu: all
	$(Q)BUILD=$(CURDIR)/$(B) tests/bench/emu/run $(ITEMS)

$(BENCH): $(B)/tests/%: $(B)/obj/tests/%.o
	$(call say,LD,$@)
	$(link)

# --- Installation -----------------------------------------------------------

D    = $(DESTDIR)
MAN := $(wildcard man/*.[1-8])
ZSH  = $(DATADIR)/zsh/site-functions
BASH_COMPLETION = $(DATADIR)/bash-completion/completions
FISH = $(DATADIR)/fish/vendor_completions.d
UNITDIR ?= $(PREFIX)/lib/systemd/system
UNITS = $(if $(filter nbd,$(TOOLS)),cowbird-nbd@.socket cowbird-nbd@.service)
# Where nbdkit looks, for a system's own prefix; else inside the prefix.
NBDKIT_PLUGINDIR ?= $(if $(filter /usr /usr/local,$(PREFIX)),\
	$(shell $(PKG_CONFIG) --variable=plugindir nbdkit),\
	$(LIBDIR)/nbdkit/plugins)

install: $(if $(PREBUILT),,all)
	install -d $(D)$(BINDIR) $(D)$(LIBDIR)/pkgconfig $(D)$(INCLUDEDIR)
	install -m 755 $(BINS) $(D)$(BINDIR)
	install -m 644 $(LIB) $(D)$(LIBDIR)
	install -m 644 $(SHARED) $(D)$(LIBDIR)/$(SOREAL)
	ln -sf $(SOREAL) $(D)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(D)$(LIBDIR)/libcowbird.so
	install -m 644 formats/cowbird.h $(D)$(INCLUDEDIR)
	install -d $(D)$(LIBDIR)/cowbird
	for module in $(MODULES); do \
		install -m 644 $$module $(D)$(LIBDIR)/cowbird || exit; done
	for plugin in $(PLUGIN); do \
		install -D -m 644 $$plugin $(D)$(strip $(NBDKIT_PLUGINDIR))/$${plugin##*/} \
		|| exit; done
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
		-e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
		-e 's|@VERSION@|$(VERSION)|' -e 's|@REQUIRES@|$(LIB_PKGS) $(filter liburing,$(FOUND))|' \
		formats/cowbird.pc.in >$(D)$(LIBDIR)/pkgconfig/cowbird.pc
	for page in $(MAN); do install -D -m 644 $$page \
		$(D)$(MANDIR)/man$${page##*.}/$${page##*/} || exit; done
	for tool in $(filter img io nbd fuse,$(TOOLS)); do \
		c=man/completions/cowbird-$$tool; \
		test -f $$c.bash || c=man/completions/cowbird-tools; \
		install -D -m 644 $$c.bash \
			$(D)$(BASH_COMPLETION)/cowbird-$$tool && \
		install -D -m 644 $$c.zsh $(D)$(ZSH)/_cowbird-$$tool && \
		install -D -m 644 $$c.fish $(D)$(FISH)/cowbird-$$tool.fish || \
		exit; done
	install -d $(D)$(UNITDIR)
	for unit in $(UNITS); do \
		from=nbd/systemd/$$unit; test -f $$from || from=$$from.in; \
		sed 's|@BINDIR@|$(BINDIR)|' $$from >$(D)$(UNITDIR)/$$unit || \
		exit; done

# The peers' names.  A file of that name which is not our link stays.
COMPAT = $(filter $(TOOLS),img io nbd)
install-compat: install
	for tool in $(COMPAT); do \
		link=$(D)$(BINDIR)/qemu-$$tool; \
		if test -e $$link && ! test -L $$link; then \
			echo "$$link exists and is not a link" >&2; exit 1; fi; \
		ln -sf cowbird-$$tool $$link || exit; \
		for page in man/cowbird-$$tool.[1-8]; do \
			test -f $$page || continue; \
			ln -sf $${page##*/} $(D)$(MANDIR)/man$${page##*.}/qemu-$$tool.$${page##*.} \
			|| exit; done; done

uninstall:
	rm -f $(BINS:$(B)/bin/%=$(D)$(BINDIR)/%) \
		$(addprefix $(D)$(LIBDIR)/,libcowbird.a $(SOREAL) $(SONAME) \
		libcowbird.so pkgconfig/cowbird.pc \
		$(MODULES:$(B)/lib/%=%)) $(D)$(INCLUDEDIR)/cowbird.h \
		$(D)$(strip $(NBDKIT_PLUGINDIR))/nbdkit-cowbird-plugin.so \
		$(foreach m,$(MAN:man/%=%),$(D)$(MANDIR)/man$(subst .,,$(suffix $m))/$m) \
		$(foreach t,$(TOOLS),$(D)$(BASH_COMPLETION)/cowbird-$t \
		$(D)$(ZSH)/_cowbird-$t $(D)$(FISH)/cowbird-$t.fish) \
		$(UNITS:%=$(D)$(UNITDIR)/%)
	for tool in $(COMPAT); do \
		for link in $(D)$(BINDIR)/qemu-$$tool \
		    $(D)$(MANDIR)/man?/qemu-$$tool.?; do \
			case $$(readlink $$link) in cowbird-$$tool*) \
				rm -f $$link;; esac; done; done

clean:
	rm -rf build

-include $(patsubst %.o,%.d,$(call obj,$(ALL_SRC)))
