#include "ops/recurrent_test.h"

namespace attune {
namespace {

OpTest lstm(bool both, int version = 14) {
  const int64_t count = both ? 2 : 1;
  return recurrent("LSTM", 4, both, version).input(ramp({count, 2, 2}, 5)).input(ramp({count, 6}, 6));
}

TEST(Lstm, Forward) {
  for (const int version : {1, 7, 14, 22}) {
    lstm(false, version)
        .output<float>({2, 1, 2, 2}, {0.1826164F, -0.2848926F, 0.1584246F, -0.1002598F, 0.1874045F, -0.1940034F,
                                      0.2294915F, -0.1677795F})
        .output<float>({1, 2, 2}, {0.1874045F, -0.1940034F, 0.2294915F, -0.1677795F})
        .output<float>({1, 2, 2}, {0.6222383F, -0.3017126F, 0.7246977F, -0.2622727F})
        .run();
  }
}

TEST(Lstm, BothDirectionsWithLengths) {
  lstm(true)
      .output<float>({2, 2, 2, 2},
                     {0.1826164F, -0.2848926F, 0.1584246F, -0.1002598F, 0.1978738F, 0.05075472F, -0.008818574F,
                      0.1685574F, 0.1874045F, -0.1940034F, 0, 0, 0.1656584F, 0.1346212F, 0, 0})
      .output<float>({2, 2, 2}, {0.1874045F, -0.1940034F, 0.1584246F, -0.1002598F, 0.1978738F, 0.05075472F,
                                 -0.008818574F, 0.1685574F})
      .output<float>({2, 2, 2}, {0.6222383F, -0.3017126F, 0.5163255F, -0.1474988F, 0.4756473F, 0.09486802F,
                                 -0.02361286F, 0.3703416F})
      .run();
}

TEST(Lstm, NothingToGoThrough) {
  OpTest("LSTM", 14)
      .attribute("hidden_size", int64_t{2})
      .input<float>({0, 1, 3}, {})
      .input(ramp({1, 8, 3}))
      .input(ramp({1, 8, 2}))
      .output<float>({0, 1, 1, 2}, {})
      .output<float>({1, 1, 2}, {0, 0})
      .output<float>({1, 1, 2}, {0, 0})
      .run();
}

TEST(Lstm, WrongShapesAndAttributes) {
  OpTest("LSTM", 14).input(ramp({2, 2, 3})).input(ramp({1, 8, 4})).input(ramp({1, 8, 2})).fails("W has the shape");
  OpTest("LSTM", 14).input(ramp({2, 2, 3})).input(ramp({1, 7, 3})).input(ramp({1, 8, 2})).fails("W has the shape");
  OpTest("LSTM", 14).input(ramp({2, 2})).input(ramp({1, 8, 3})).input(ramp({1, 8, 2})).fails("X has the shape");
  lstm(false).attribute("hidden_size", int64_t{3}).fails("hidden_size is 3");
  lstm(false).attribute("direction", std::string("up")).fails("The direction 'up' is unknown");
  lstm(false).attribute("activations", std::vector<std::string>{"Tanh"}).fails("1 activations instead of 3");
  lstm(false).attribute("activations", std::vector<std::string>{"Tanh", "Sin", "Tanh"}).fails("Unknown activation");
}

}  // namespace
}  // namespace attune
