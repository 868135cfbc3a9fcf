// The whole public API of Attune.
#ifndef ATTUNE_ATTUNE_H_
#define ATTUNE_ATTUNE_H_

#include "attune/error.h"
#include "attune/log.h"
#include "attune/options.h"
#include "attune/session.h"
#include "attune/tensor.h"

#endif  // ATTUNE_ATTUNE_H_
