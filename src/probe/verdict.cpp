#include "probe/verdict.hpp"

namespace ringworld {

ProbeVerdict& ProbeVerdict::operator+=(const ProbeVerdict& more) {
  rows += more.rows;
  wrong_rows += more.wrong_rows;
  if (!first.has_value()) {
    first = more.first;
  }
  return *this;
}

}  // namespace ringworld
