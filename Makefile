# SPDX-License-Identifier: LGPL-2.1-or-later
#
# cowbird's build: one Makefile, one $(wildcard) per folder, nothing to
# register.  A new source file is found because of where it lies.
#
#   make                 build/bin/cowbird-*, build/lib/libcowbird.{a,so.0}
#   make check           all tests, the sanitizer runs included
#   make SAN=1           the same tree under build/san, with ASan and UBSan
#   make TSAN=1          under build/tsan, with TSan
#   make DEBUG=1         under build/debug, hardly optimised
#   make WERROR=0        warnings stay warnings (for packagers)
#   make WITHOUT="libzstd libedit"    as if these were not installed
#   make V=1             show the commands
#   make install PREBUILT=1    install what is there, build nothing
#
# CC, AR, CFLAGS, CPPFLAGS, LDFLAGS, PKG_CONFIG, DESTDIR, PREFIX, BINDIR,
# LIBDIR, INCLUDEDIR, MANDIR and DATADIR are the caller's to set.

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
# (tests/style/needed-libs.sh).  Anything heavier is a module.
PACKAGES := zlib libzstd libdeflate json-c libedit
FOUND    := $(filter-out $(WITHOUT),$(shell for p in $(PACKAGES); do \
	$(PKG_CONFIG) --exists $$p && echo $$p; done))
MISSING  := $(filter-out $(FOUND),$(PACKAGES))
LIB_PKGS := $(filter-out libedit,$(FOUND))

have = $(if $(filter $1,$(FOUND)),-D$2)
LIB_LIBS  := $(if $(LIB_PKGS),$(shell $(PKG_CONFIG) --libs $(LIB_PKGS)))
EDIT_LIBS := $(if $(filter libedit,$(FOUND)),\
	$(shell $(PKG_CONFIG) --libs libedit))

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
	$(if $(FOUND),$(shell $(PKG_CONFIG) --cflags $(FOUND))) \
	-ffile-prefix-map=$(CURDIR)=. $(CPPFLAGS) $(CFLAGS) $(VARIANT)
ALL_LDFLAGS = -pthread -Wl,--as-needed -Wl,--hash-style=gnu $(LDFLAGS) $(VARIANT)
ALL_CFLAGS := $(strip $(ALL_CFLAGS))
ALL_LDFLAGS := $(strip $(ALL_LDFLAGS))

# --- Sources ----------------------------------------------------------------

CLI_SRC := $(wildcard formats/cli/*.c)
LIB_SRC := $(filter-out $(CLI_SRC),$(wildcard formats/*.c formats/*/*.c))
TOOLS   := $(foreach t,img io nbd fuse emu,$(if $(wildcard $t/*.c),$t))
tool_src = $(wildcard $1/*.c $1/*/*.c)

SUPPORT_SRC := $(wildcard tests/support/*.c)	# shared by test programs
UNIT_SRC    := $(wildcard tests/lib/*.c tests/formats/*.c)
CRASH_SRC   := $(wildcard tests/crash/*.c)
FUZZ_SRC    := $(wildcard tests/fuzz/*.c)
REPLAY_SRC  := tests/fuzz/replay/main.c
BENCH_SRC   := $(wildcard tests/bench/*.c)
TEST_SRC    := $(SUPPORT_SRC) $(UNIT_SRC) $(CRASH_SRC) $(FUZZ_SRC) \
	$(REPLAY_SRC) $(BENCH_SRC)

obj = $(patsubst %.c,$(B)/obj/%.o,$1)
ALL_SRC := $(LIB_SRC) $(CLI_SRC) $(foreach t,$(TOOLS),$(call tool_src,$t)) \
	$(TEST_SRC)

LIB      := $(B)/lib/libcowbird.a
CLI      := $(B)/lib/libcli.a
SHARED   := $(B)/lib/$(SONAME)
BINS     := $(patsubst %,$(B)/bin/cowbird-%,$(TOOLS))
PROGRAMS := $(patsubst %.c,$(B)/%,$(UNIT_SRC) $(CRASH_SRC))
TARGETS  := $(patsubst %.c,$(B)/%,$(FUZZ_SRC))
THREADED := $(foreach p,$(PROGRAMS),$(if $(findstring thread,$p),$p))

# --- Stamps: what was built with which flags, from which sources ------------

say = $(if $(V),,@printf '  %-5s %s\n' $1 $2)
Q  := $(if $(V),,@)

.PHONY: all check check-all check-asan check-tsan tests thread-tests bench fuzz \
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

all: $(LIB) $(BINS) $(if $(VARIANT),,$(SHARED))

$(B)/obj/%.o: %.c $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(MORE) -MMD -MP -c -o $@ $<

$(B)/obj/tests/%.o: MORE := -Itests -Wno-missing-prototypes

$(LIB): $(call obj,$(LIB_SRC)) $(B)/sources
$(CLI): $(call obj,$(CLI_SRC)) $(B)/sources
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

link = $(Q)mkdir -p $(@D) && $(CC) -pie $(ALL_LDFLAGS) -o $@ \
	$(filter %.o %.a,$^) $(LIBS) $(LIB_LIBS)

define tool
$(B)/bin/cowbird-$1: $(call obj,$(call tool_src,$1)) $(CLI) $(LIB)
	$$(call say,LD,$$@)
	$$(link)
endef
$(foreach t,$(TOOLS),$(eval $(call tool,$t)))
$(B)/bin/cowbird-io: LIBS := $(EDIT_LIBS)

# --- Tests ------------------------------------------------------------------

tests: $(PROGRAMS) $(TARGETS)
thread-tests: $(THREADED)

$(PROGRAMS): LIBS = $(shell $(PKG_CONFIG) --libs cunit || echo -lcunit)
$(PROGRAMS): $(B)/tests/%: $(B)/obj/tests/%.o $(B)/tests/libsupport.a \
		$(CLI) $(LIB)
	$(call say,LD,$@)
	$(link)

# A fuzz target is linked with libFuzzer by clang (make fuzz), and otherwise
# with a driver that runs it over files: that is how check uses the corpus.
ifdef FUZZ
$(TARGETS): LIBS := -fsanitize=fuzzer
$(TARGETS): $(B)/tests/%: $(B)/obj/tests/%.o $(B)/tests/libsupport.a \
		$(CLI) $(LIB)
else
$(TARGETS): $(B)/tests/%: $(B)/obj/tests/%.o $(call obj,$(REPLAY_SRC)) \
		$(B)/tests/libsupport.a $(CLI) $(LIB)
endif
	$(call say,LD,$@)
	$(link)

ASAN_SUITE := 'san:lib/*' 'san:formats/*' 'san:crash/*' 'san:fuzz/*'

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

$(BENCH): $(B)/tests/%: $(B)/obj/tests/%.o
	$(call say,LD,$@)
	$(link)

# --- Installation -----------------------------------------------------------

D    = $(DESTDIR)
MAN := $(wildcard man/*.[1-8])
ZSH  = $(DATADIR)/zsh/site-functions
BASH_COMPLETION = $(DATADIR)/bash-completion/completions
FISH = $(DATADIR)/fish/vendor_completions.d

install: $(if $(PREBUILT),,all)
	install -d $(D)$(BINDIR) $(D)$(LIBDIR)/pkgconfig $(D)$(INCLUDEDIR)
	install -m 755 $(BINS) $(D)$(BINDIR)
	install -m 644 $(LIB) $(D)$(LIBDIR)
	install -m 644 $(SHARED) $(D)$(LIBDIR)/$(SOREAL)
	ln -sf $(SOREAL) $(D)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(D)$(LIBDIR)/libcowbird.so
	install -m 644 formats/cowbird.h $(D)$(INCLUDEDIR)
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
		-e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
		-e 's|@VERSION@|$(VERSION)|' -e 's|@REQUIRES@|$(LIB_PKGS)|' \
		formats/cowbird.pc.in >$(D)$(LIBDIR)/pkgconfig/cowbird.pc
	for page in $(MAN); do install -D -m 644 $$page \
		$(D)$(MANDIR)/man$${page##*.}/$${page##*/} || exit; done
	for tool in $(TOOLS); do \
		c=man/completions/cowbird-$$tool; \
		! test -f $$c.bash || install -D -m 644 $$c.bash \
			$(D)$(BASH_COMPLETION)/cowbird-$$tool || exit; \
		! test -f $$c.zsh || install -D -m 644 $$c.zsh \
			$(D)$(ZSH)/_cowbird-$$tool || exit; \
		! test -f $$c.fish || install -D -m 644 $$c.fish \
			$(D)$(FISH)/cowbird-$$tool.fish || exit; done

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
		libcowbird.so pkgconfig/cowbird.pc) $(D)$(INCLUDEDIR)/cowbird.h \
		$(foreach m,$(MAN:man/%=%),$(D)$(MANDIR)/man$(subst .,,$(suffix $m))/$m) \
		$(foreach t,$(TOOLS),$(D)$(BASH_COMPLETION)/cowbird-$t \
		$(D)$(ZSH)/_cowbird-$t $(D)$(FISH)/cowbird-$t.fish)
	for tool in $(COMPAT); do \
		for link in $(D)$(BINDIR)/qemu-$$tool \
		    $(D)$(MANDIR)/man?/qemu-$$tool.?; do \
			case $$(readlink $$link) in cowbird-$$tool*) \
				rm -f $$link;; esac; done; done

clean:
	rm -rf build

-include $(patsubst %.o,%.d,$(call obj,$(ALL_SRC)))
