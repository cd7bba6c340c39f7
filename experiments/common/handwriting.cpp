#include "experiments/common/handwriting.hpp"

#include <fmt/format.h>

#include "core/error.hpp"

namespace ringworld {

std::filesystem::path digits_file() {
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe");
  return program.parent_path().parent_path() / "share" / "ringworld" / "digits.csv";
}

std::shared_ptr<const CardWorld> read_card_world(const CardWorldOptions& options) {
  const std::filesystem::path file = digits_file();
  require_input(std::filesystem::exists(file),
                fmt::format("cards need the handwritten digits '{0}'; 'scripts/make_digits_csv.sh {0}' brings them",
                            file.string()));
  return std::make_shared<const CardWorld>(file, options);
}

}  // namespace ringworld
