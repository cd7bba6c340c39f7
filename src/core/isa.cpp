#include "core/isa.hpp"

#include <fmt/format.h>

#include <cstdlib>

#include "core/error.hpp"
#include "core/spelling.hpp"

namespace ringworld {

#if defined(__x86_64__)
Isa best_isa() {
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (has_avx512) {
    return Isa::avx512;
  }
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? Isa::avx2 : Isa::portable;
}

bool has_bf16_dot_product(Isa isa) {
  return isa == Isa::avx512 && best_isa() == Isa::avx512 && __builtin_cpu_supports("avx512bf16");
}
#else
Isa best_isa() { return Isa::portable; }

bool has_bf16_dot_product(Isa) { return false; }
#endif

bool has_bf16_dot_product() { return has_bf16_dot_product(selected_isa()); }

Isa selected_isa() {
  const char* wanted = std::getenv("RINGWORLD_ISA");
  if (wanted == nullptr) {
    return best_isa();
  }
  for (std::size_t index = 0; index < isa_names.size(); ++index) {
    if (isa_names[index] == wanted) {
      const Isa isa = static_cast<Isa>(index);
      require_input(isa <= best_isa(),
                    fmt::format("RINGWORLD_ISA={}: this CPU has only {}", wanted, name_of(best_isa())));
      return isa;
    }
  }
  throw_unknown_name("instruction set in RINGWORLD_ISA", wanted, isa_names);
}

}  // namespace ringworld
