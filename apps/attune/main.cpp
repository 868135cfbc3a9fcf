// The command `attune`.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>

#include "attune/error.h"
#include "attune/session.h"
#include "base/interrupt.h"
#include "command.h"
#include "help_format.h"

namespace {

constexpr int kFailure = 1;
constexpr int kUsage = 2;
constexpr int kInterrupted = 130;  // what a shell gives for a command that Ctrl-C ended

// One line, whatever the text.
void print_error(std::string text) {
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  fmt::print(stderr, "attune: {}\n", text);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Run, measure and tune ONNX models on CPUs.", "attune");
  app.set_version_flag("--version", std::string("attune ") + std::string(attune::version()));
  app.require_subcommand(1);
  app.formatter(std::make_shared<attune::HelpFormat>());
  app.footer("'attune COMMAND --help' tells what a command does, with examples.");
  attune::add_run_command(app);
  attune::add_inspect_command(app);
  attune::add_bench_command(app);
  attune::add_memory_command(app);
  attune::add_profile_command(app);
  attune::add_compare_command(app);
  attune::add_tune_command(app);
  attune::add_report_command(app);
  attune::add_pack_command(app);
  attune::add_operators_command(app);
  attune::add_worker_command(app);
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::Success& request) {  // --help and --version
    return app.exit(request);
  } catch (const CLI::ParseError& error) {
    print_error(error.what());
    return kUsage;
  } catch (const attune::Interrupted& interrupt) {
    print_error(interrupt.what());
    return kInterrupted;
  } catch (const attune::Error& error) {
    print_error(error.text());
  } catch (const std::exception& error) {
    print_error(error.what());
  }
  return kFailure;
}
