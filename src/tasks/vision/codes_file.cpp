#include "tasks/vision/codes_file.hpp"

#include <fmt/format.h>

#include <utility>
#include <variant>

#include "core/error.hpp"

namespace ringworld {

CodesFiles::CodesFiles(std::filesystem::path folder, std::string digest)
    : folder_(std::move(folder)), digest_(std::move(digest)) {}

const TensorReader& CodesFiles::open(const std::string& file) {
  const auto found = files_.find(file);
  if (found != files_.end()) {
    return found->second;
  }
  TensorReader reader = TensorReader::open(folder_ / file);
  const auto attribute = reader.attribute(std::string(codes_digest_attribute));
  const std::string* const digest = attribute ? std::get_if<std::string>(&*attribute) : nullptr;
  require_input(digest != nullptr, fmt::format("'{}' does not say which frame tokenizer made its codes (attribute {})",
                                               file, codes_digest_attribute));
  require_input(digest_.empty() || *digest == digest_,
                fmt::format("'{}' holds codes of another codebook: its frame tokenizer is {}, this run's is {}", file,
                            *digest, digest_));
  return files_.emplace(file, std::move(reader)).first->second;
}

std::vector<Token> CodesFiles::read(const std::string& file, const std::string& dataset) {
  const TensorReader& reader = open(file);
  const TensorInfo info = reader.describe(dataset);
  require_input(!info.shape.empty(), fmt::format("'{}': '{}' is one number, not codes of frames", file, dataset));
  std::size_t count = 1;
  for (const std::int64_t extent : info.shape) {
    count *= static_cast<std::size_t>(extent);
  }
  std::vector<Token> codes(count);
  reader.read(dataset, {.start = std::vector<std::int64_t>(info.shape.size(), 0), .count = info.shape}, codes);
  return codes;
}

}  // namespace ringworld
