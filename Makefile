# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Short names for what tools/, tests/, demo/ and bench/ do; meson builds.

.PHONY: help bootstrap build demo demo-transport check check-full bench install clean

help:
	@echo 'make demo        see what it does, in a minute (as root; installs nothing but packages it needs)'
	@echo 'make demo-transport  the same for a backup by another machine'
	@echo 'make check       build and test everything (as root, to test everything)'
	@echo 'make check-full  the same, and what takes longer'
	@echo 'make bench       measure'
	@echo 'make build       build in ./build'
	@echo 'make install     install what was built (DESTDIR= is honoured)'
	@echo 'make clean       delete the build directories'

bootstrap:
	@tools/bootstrap

build: bootstrap
	@[ -e build/build.ninja ] || meson setup build
	@ninja -C build

demo: bootstrap
	@demo/demo

demo-transport: bootstrap
	@demo/demo-transport

check: bootstrap
	@tests/run

check-full: bootstrap
	@tests/run --full

bench: build
	@bench/bench

install:
	@meson install -C build --no-rebuild

clean:
	rm -rf build build-check build-asan build-clang
