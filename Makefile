# octopus_fdw: health of PostgreSQL nodes, as foreign tables.
#
#   make, make install   build and install against $(PG_CONFIG), as any PGXS module
#   make demo            watch it at work (KEEP=1 leaves the demo running)
#   make check           every test, in a sandbox that touches no installation
#   make check-17, -18   the same in a chroot with PostgreSQL 17 or 18 (as root)
#   make check-19        the same with 19, of which there may be no release yet
#   make check-assert    the same with an 18 that has assertions on
#   make check-memory    memcheck with that one, which tells valgrind of its memory
#   make check-all       all of these; 19 may fail
#   make installcheck    the SQL tests on a running server that preloads the library
#   make bench           the benchmarks, in the sandbox too (PARTS="cpu gaps")
#   make fuzz            mutations against what reads bytes of others (clang; SECONDS=60 each)
#   make analyse         what gcc, clang, clang-tidy and cppcheck have to say
#   make memcheck        servers of tests under valgrind (KINDS="regress t/names.pl")
#   make soak            a random life of everything (MINUTES=5 SEED=...)
#   make lint            the rules that grep can check
#
# The goals of FRONT come first and alone: they install what is missing (or say
# what that is), so PostgreSQL's makefiles need not be there yet.

PG_CONFIG ?= pg_config
FRONT = check check-17 check-18 check-19 check-assert check-memory check-all analyse memcheck soak demo bench lint packages

ifneq (,$(filter $(FRONT),$(MAKECMDGOALS)))

export PG_CONFIG KEEP SUITES MINUTES SEED

.PHONY: $(MAKECMDGOALS)

check: packages lint
	@script/lint --self-test
	@script/sandbox script/suite $(SUITES)

check-17:
	@script/check-in trixie 17

check-18:
	@script/check-in forky 18

check-19:
	@script/check-in experimental 19

check-assert:
	@script/check-in forky 18 check

check-memory:
	@script/check-in forky 18 memcheck

check-all:
	@$(MAKE) check
	@$(MAKE) check-17
	@$(MAKE) check-18
	@$(MAKE) check-assert
	@$(MAKE) check-memory
	-@$(MAKE) check-19

demo: packages
	@script/sandbox script/demo

bench:
	@script/packages bench
	@script/sandbox bench/run

lint:
	@script/lint

analyse:
	@script/packages analyse
	@script/analyse

memcheck:
	@script/packages memcheck
	@script/sandbox script/memcheck $(KINDS)

soak: packages
	@script/sandbox script/soak

packages:
	@script/packages

# `make clean check`: what is not in FRONT is PGXS's.
$(filter-out $(FRONT),$(MAKECMDGOALS)):
	@$(MAKE) $@

else

EXTENSION = octopus_fdw
DATA = octopus_fdw--1.0.sql

MODULE_big = octopus_fdw
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c)))

# Core's headers come as system headers, so that only our own code is warned
# about; `make WERROR=` is for compilers that know more warnings than we do.
WERROR = -Werror
WARNINGS = -Wall -Wextra -Wshadow -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers $(WERROR)
PG_CPPFLAGS = -isystem $(includedir_server) -isystem $(libpq_srcdir)
PG_CFLAGS = $(WARNINGS)
SHLIB_LINK = $(libpq) -lcares $(filter -lssl -lcrypto,$(LIBS))

REGRESS = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
ISOLATION = $(patsubst specs/%.spec,%,$(sort $(wildcard specs/*.spec)))
TAP = $(sort $(wildcard t/*.pl))
EXTRA_CLEAN = build tmp_check tmp_check_iso output_iso

# Bitcode serves inlining into queries, where nothing of ours is worth it, and
# would ask for clang.
override with_llvm = no

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# Few and short files: every object depends on every header.
SRC_HEADERS = $(wildcard src/*.h)
$(OBJS): $(SRC_HEADERS)

# What core's headers make of snprintf and the like in programs.
CLIENT_LIBS = -L$(pkglibdir) -lpgcommon -lpgport $(libpq)

# Floor 0 outside the server, with assertions and sanitizers on.
FLOOR0 = policy probe wire wiresend wireerror timerq printable pairs optable \
	regfile regparse namecache latency tally authguard
FLOOR0_FILES = $(wildcard $(FLOOR0:%=src/%.c))
UNIT = $(patsubst test/unit/%.c,build/%,$(sort $(wildcard test/unit/test_*.c))) \
	$(FUZZED:%=build/fuzz_%)
UNIT_FLAGS = -DFRONTEND -DUSE_ASSERT_CHECKING -Isrc \
	-fsanitize=address,undefined -fno-sanitize-recover=all

build/test_%: test/unit/test_%.c $(FLOOR0_FILES) test/unit/pairingheap_stub.c \
		$(SRC_HEADERS) $(wildcard test/unit/*.h) | build
	$(CC) $(CPPFLAGS) $(UNIT_FLAGS) $(CFLAGS) -o $@ $(filter %.c,$^) \
		-lcmocka $(CLIENT_LIBS)

# The resolver is no part of floor 0, but needs little of a server.
RESOLVER = $(patsubst %,src/%.c,resolver lookups dns namecache address clock)

build/test_resolver: test/unit/test_resolver.c test/unit/server_stub.c $(RESOLVER) \
		$(SRC_HEADERS) $(wildcard test/unit/*.h) | build
	$(CC) $(CPPFLAGS) $(filter-out -DFRONTEND,$(UNIT_FLAGS)) $(CFLAGS) -o $@ \
		$(filter %.c,$^) -lcmocka -lcares $(CLIENT_LIBS)

# Nor is the status of a slot, but for the table that it stands in.
NODESTATUS = $(patsubst %,src/%.c,nodestatus policy latency tally)

build/test_nodestatus: test/unit/test_nodestatus.c $(NODESTATUS) $(SRC_HEADERS) | build
	$(CC) $(CPPFLAGS) $(filter-out -DFRONTEND,$(UNIT_FLAGS)) $(CFLAGS) -o $@ \
		$(filter %.c,$^) -lcmocka $(CLIENT_LIBS)

# A short run of mutations, always the same, is one of the unit tests; clang's
# libFuzzer learns as it goes, and keeps what it found interesting in build/.
FUZZED = $(patsubst test/fuzz/fuzz_%.c,%,$(sort $(wildcard test/fuzz/fuzz_*.c)))
FUZZ_FILES = $(filter-out src/timerq.c,$(FLOOR0_FILES))	# which wants core's heap
SECONDS ?= 60

build/fuzz_%: test/fuzz/fuzz_%.c test/fuzz/standalone.c $(FUZZ_FILES) \
		$(SRC_HEADERS) test/fuzz/fuzz.h | build
	$(CC) $(CPPFLAGS) $(UNIT_FLAGS) $(CFLAGS) -o $@ $(filter %.c,$^) $(CLIENT_LIBS)

build/libfuzzer_%: test/fuzz/fuzz_%.c $(FUZZ_FILES) $(SRC_HEADERS) \
		test/fuzz/fuzz.h | build
	clang -g -O1 $(CPPFLAGS) $(UNIT_FLAGS) -fsanitize=fuzzer \
		-o $@ $(filter %.c,$^) $(CLIENT_LIBS)

fuzz: $(FUZZED:%=fuzz-%)

$(FUZZED:%=fuzz-%): fuzz-%: build/libfuzzer_%
	mkdir -p build/found-$*
	$< -max_total_time=$(SECONDS) -max_len=8192 -artifact_prefix=build/ \
		build/found-$* test/fuzz/corpus-$*

# What the words of libpq mean needs no server either.
build/test_cause: test/unit/test_cause.c src/cause.c src/policy.c $(SRC_HEADERS) | build
	$(CC) $(CPPFLAGS) $(filter-out -DFRONTEND,$(UNIT_FLAGS)) $(CFLAGS) -o $@ \
		$(filter %.c,$^) -lcmocka $(CLIENT_LIBS)

# Each file of these directories is one program: the fleet of fake nodes that
# tests and benchmarks probe, and the benchmarks' own.
SOLO = $(wildcard test/fleet/*.c bench/*.c)
PROGRAMS = $(patsubst %.c,build/%,$(notdir $(SOLO)))

vpath %.c test/fleet bench
$(PROGRAMS): build/%: %.c $(wildcard test/fleet/*.h bench/*.h) | build
	$(CC) -Itest/fleet $(CPPFLAGS) $(CFLAGS) -o $@ $< $(CLIENT_LIBS) -lm -lssl -lcrypto

# Preloaded into a server: makes a call that is about the registry fail, the wall
# clock wrong, leaves libpq and c-ares no memory, or tells of lookups of names.
SHIMS = build/fault.so build/clock.so build/famine.so build/lookup.so

$(SHIMS): build/%.so: test/shim/%.c | build
	$(CC) $(CFLAGS) -fvisibility=default -fPIC -shared -o $@ $< -ldl

# Preloaded by a server's settings: leaves a transaction no file to open.
build/hoard.so: test/shim/hoard.c | build
	$(CC) $(CPPFLAGS) $(CFLAGS) -fPIC -shared -o $@ $<

build:
	mkdir -p $@

.PHONY: unit programs fuzz $(FUZZED:%=fuzz-%)
programs: $(PROGRAMS) $(SHIMS) build/hoard.so

unit: $(UNIT)
	@set -e; for test in $(UNIT); do echo "# $$test"; $$test; done

# For scripts: the value of a variable, as in `make -s print-REGRESS`.
print-%:
	@echo $($*)

endif
