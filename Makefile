# Everything there is to do with the project. Each target installs what it needs first and is quick the second time.
#
#   make build   build/attune and the Python module, importable from .venv/bin/python
#   make test    the test suite
#   make lint    format, clang-tidy, ruff, the direction of includes
#   make asan, make tsan, make clang   the tests under sanitizers, and built by the other compiler
#   make bench   Attune beside onnxruntime on whole models and single operators, then the kernels;
#                CASES=resnet50,minilm_1x128 OPERATORS=trees,gather KERNELS=regex
#   make wheel   dist/*.whl, tested in a clean environment
#   make demo    read a page with RapidOCR on Attune, then tune its recogniser
#   make differential   COUNT=10000 random graphs on Attune and on onnxruntime, from SEED=0 on
#   make fuzz    search for inputs that break the model reader, sessions and operators, FUZZ_SECONDS=60 each
#   make clean   remove what was built, .venv too
#
# PYTHON=/path/to/python3 chooses another Python than the distribution's; JOBS=n limits parallel work.
SHELL := /bin/bash
.DEFAULT_GOAL := build
.PHONY: build test lint asan tsan clang bench wheel demo differential fuzz clean packages
# Targets run one after another (ninja and ctest are the parallel ones), so the log of a failure ends with the failure.
.NOTPARALLEL:

JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60
COUNT ?= 10000
SEED ?= 0
KERNELS ?= .
FUZZERS := reader session node
PY := .venv/bin/python
PYTEST := $(PY) -m pytest -q
CMAKE_FILES := CMakePresets.json .venv/ready
FORMATTED = $(shell git ls-files --cached --others --exclude-standard '*.cpp' '*.h')

build: build/build.ninja
	ninja -C build -j $(JOBS)

packages:
	@tools/install_packages.sh build

.venv/ready: tools/requirements.txt tools/make_venv.sh | packages
	tools/make_venv.sh

# A preset's build directory, configured; Ninja configures it again when a CMakeLists.txt changes.
build/build.ninja: $(CMAKE_FILES) | packages
	cmake --preset release
build-asan/build.ninja: $(CMAKE_FILES) | packages
	cmake --preset asan
build-tsan/build.ninja: $(CMAKE_FILES) | packages
	cmake --preset tsan

test: build/build.ninja
	@tools/install_packages.sh test
	ninja -C build -j $(JOBS) all tests
	ctest --test-dir build --output-on-failure -j $(JOBS)
	$(PYTEST)

bench: build
	ninja -C build -j $(JOBS) kernel_benchmarks
	$(PY) bench/models.py $(if $(CASES),--cases $(CASES))
	$(PY) bench/operators.py $(if $(OPERATORS),--cases $(OPERATORS))
	build/src/kernel_benchmarks --benchmark_filter='$(KERNELS)' --benchmark_min_time=0.1

wheel: .venv/ready | packages
	tools/make_wheel.sh

demo: build
	@tools/install_packages.sh demo
	$(PY) demo/ocr.py

differential: build
	PYTHONPATH=tests $(PY) -m differential.campaign --seed $(SEED) --count $(COUNT) --jobs $(JOBS)

lint: build/build.ninja
	@tools/install_packages.sh lint
	$(PY) tools/check_includes.py
	@.venv/bin/clang-format --dry-run -Werror $(FORMATTED)
	.venv/bin/ruff check -q
	.venv/bin/ruff format --check -q
	$(PY) -m mypy
	ninja -C build generated_headers
	$(PY) tools/lint_cpp.py build

# An allocation that a hostile model asks for must fail as it does without a sanitizer: with a null pointer. Under Python
# the sanitizer's runtime comes first, since the interpreter has none, and the interpreter's own leaks are not counted.
asan: export UBSAN_OPTIONS := print_stacktrace=1
asan: build-asan/build.ninja
	ninja -C build-asan -j $(JOBS) all tests
	ASAN_OPTIONS=allocator_may_return_null=1 ctest --test-dir build-asan --output-on-failure -j $(JOBS)
	LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libstdc++.so)" \
	  ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=0 PYTHONPATH=$(CURDIR)/build-asan/python $(PYTEST)

tsan: build-tsan/build.ninja
	ninja -C build-tsan -j $(JOBS) all tests
	TSAN_OPTIONS=halt_on_error=1:allocator_may_return_null=1 ctest --test-dir build-tsan --output-on-failure -j $(JOBS)

# The other compiler: what gcc accepts and clang does not is found here.
clang: $(CMAKE_FILES) | packages
	@tools/install_packages.sh clang
	test -e build-clang/build.ninja || cmake --preset clang
	ninja -C build-clang -j $(JOBS) all tests
	ctest --test-dir build-clang --output-on-failure -j $(JOBS)

# What a fuzzer finds worth keeping stays in build-fuzz/kept; an input that breaks something is written to build-fuzz.
# Allocations that a hostile model asks for fail above 32 MiB instead of ending the search.
build-fuzz/build.ninja: $(CMAKE_FILES) | packages
	@tools/install_packages.sh clang
	cmake --preset fuzz
build-fuzz/seeds: tests/fuzz/make_corpus.py .venv/ready
	rm -rf $@
	$(PY) tests/fuzz/make_corpus.py $@
fuzz: export UBSAN_OPTIONS := print_stacktrace=1
fuzz: export ASAN_OPTIONS := allocator_may_return_null=1:max_allocation_size_mb=32
fuzz: build-fuzz/build.ninja build-fuzz/seeds
	ninja -C build-fuzz -j $(JOBS) $(FUZZERS:%=fuzz_%)
	for name in $(FUZZERS); do \
	  mkdir -p build-fuzz/kept/$$name && \
	  build-fuzz/tests/fuzz/fuzz_$$name -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
	    -verbosity=0 -print_final_stats=1 -artifact_prefix=build-fuzz/$$name- build-fuzz/kept/$$name build-fuzz/seeds || exit 1; \
	done

clean:
	rm -rf build build-* .venv dist
