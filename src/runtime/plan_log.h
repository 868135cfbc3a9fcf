// What a run says of itself in the log.
#pragma once

#include "base/log.h"
#include "plan/plan.h"
#include "plan/program.h"

namespace attune {

/// A plan made for new input shapes, at severity info: its steps, which of them go through the batch in pieces, and its
/// memory. A warning where independent steps were to run at the same time (`concurrent`) and there are none.
void log_plan(const Logger& logger, const Program& program, const Segment& segment, bool concurrent);

}  // namespace attune
