#include "device/backend.hpp"

#include "core/spelling.hpp"

namespace ringworld {

Backend parse_backend(std::string_view name) {
  for (std::size_t index = 0; index < backend_names.size(); ++index) {
    if (name == backend_names[index]) {
      return static_cast<Backend>(index);
    }
  }
  throw_unknown_name("backend", name, backend_names);
}

}  // namespace ringworld
