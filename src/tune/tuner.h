// The search for the settings that suit a model on a machine.
//
//   baseline   the default beside itself: what a process costs, and how far chance takes a ratio
//   levels     every level of every option by itself, the most promising first; the best other level of each goes on
//   design     a fractional factorial of the options at two levels (tune/design.h): effects and interactions
//   race       what the effects predict, what did best so far and their neighbours, against each other and the default
//              (tune/race.h); then what is one step away from the winner and was never measured
//   rest       with nothing to confirm, the options that had no turn yet
//   confirm    the winner beside the default, both in new processes, a number of times that is fixed beforehand
//
// Only the last decides. Whatever chance has picked before, its data are new: no winner's curse, and no correction for
// the number of candidates. At most two candidates get there, and Bonferroni's correction for two makes that a whole
// run claims a gain that is not there at most once in forty times (at 95 % confidence, one side).
//
// Equals, whose values differ by less than half of policy.least_gain (or by less than chance explains, up to three
// quarters of it), are decided by fewer threads, then less memory, then fewer changes of the default; for objectives
// that are no times, by time first. For memory a candidate may take at most kMostSlowdown times the default's time.
#pragma once

#include <vector>

#include "tune/search.h"

namespace attune {

constexpr double kMostSlowdown = 1.1;

/// Everything that can be found out within policy.budget_seconds. `weights` are those of the load's sets. The result
/// lacks what only the caller knows: `created`, `fingerprint`, `load`.
///
/// Throws attune::Error when the default cannot be measured at all, and Interrupted when nothing was measured before
/// the interrupt; what stops the search later is part of the result.
TuneResult tune(Laboratory& laboratory, const Space& space, const std::vector<int>& weights, const TunePolicy& policy,
                Journal& journal, const TuneProgress& progress = {});

}  // namespace attune
