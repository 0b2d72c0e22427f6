# The C library. The Swift package needs none of this: see README.md.
#
#   make lib                    libautograd_v2.a and libautograd_v2.so in $(OUT)
#   make install PREFIX=/opt/x  headers, both libraries, autograd_v2.pc, a gdb pretty-printer
#   make check-c                builds and runs the examples and the tests written in C, in full length
#   make clean
#
# And for everything:
#
#   make fuzz SECONDS=600       fuzzes every reader of files, so long each; fails on a finding (Scripts/fuzz)
#   make sanitize               the tests under address, thread and undefined sanitizers (Scripts/sanitize)
#   make check-kernels          every kernel against a plain loop, for each instruction set of this CPU; needs clang only
#   make check-arm              the same, built for Arm and run in an emulator (Scripts/check_arm)

PREFIX ?= /usr/local
DESTDIR ?=
SCRATCH ?= .build
OUT ?= $(SCRATCH)/c-library
SECONDS ?= 60
VERSION := $(shell sed -n 's/^\#define AUTOGRAD_V2_VERSION "\(.*\)"/\1/p' Sources/CAutogradV2/include/autograd_v2.h)
HEADERS := arena autograd_v2 autograd_v2_base dataset model_io_v2 sampling text_utils transformer_v2
TARGET := $(DESTDIR)$(PREFIX)

.PHONY: lib install install-files check-c check-kernels check-arm fuzz sanitize clean

lib:
	Scripts/c_library/build.sh $(SCRATCH) $(OUT)

install: lib install-files

install-files:
	install -d $(TARGET)/include $(TARGET)/lib/pkgconfig $(TARGET)/share/autograd_v2
	for header in $(HEADERS); do install -m 644 Sources/CAutogradV2/include/$$header.h $(TARGET)/include; done
	install -m 644 $(OUT)/libautograd_v2.a $(TARGET)/lib
	install -m 755 $(OUT)/libautograd_v2.so $(TARGET)/lib
	install -m 644 $(OUT)/libautograd_v2.so.debug $(TARGET)/lib
	sed -e 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' Scripts/c_library/autograd_v2.pc.in \
	  > $(TARGET)/lib/pkgconfig/autograd_v2.pc
	install -m 644 Scripts/c_library/autograd_v2_gdb.py $(TARGET)/share/autograd_v2/autograd_v2_gdb.py
	install -m 644 Scripts/c_library/autograd_v2_gdb.py $(TARGET)/lib/libautograd_v2.so-gdb.py

check-c:
	swift test -c release -Xswiftc -enable-testing --scratch-path $(SCRATCH) --filter AutogradV2Tests

check-kernels:
	@$(MAKE) -s -C Tests/c check OUT=$(abspath $(SCRATCH))/check-kernels/native ARGUMENTS="$(ARGUMENTS)"

check-arm:
	@Scripts/check_arm $(abspath $(SCRATCH))/check-kernels/arm $(ARGUMENTS)

fuzz:
	Scripts/fuzz $(SECONDS)

sanitize:
	Scripts/sanitize

clean:
	rm -rf $(OUT)
