#include "media/golden_files.hpp"

namespace ringworld::test {

std::filesystem::path golden(const std::string& name) { return std::filesystem::path(RINGWORLD_GOLDEN_MEDIA) / name; }

}  // namespace ringworld::test
