#include "tensors/safetensors_writer.hpp"

#include <fcntl.h>

#include <bit>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/bf16.hpp"
#include "core/error.hpp"
#include "io/output_path.hpp"
#include "tensors/safetensors_header.hpp"

namespace ringworld {

namespace {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

std::int64_t bytes_of(DType dtype) { return dtype == DType::float32 ? 4 : 2; }

}  // namespace

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& target, const std::vector<PlannedTensor>& tensors,
                                     DType dtype)
    : file_(target), descriptor_(::open(file_.temporary().c_str(), O_WRONLY | O_CLOEXEC)), dtype_(dtype) {
  if (!descriptor_) {
    throw_cannot_write(target, errno);
  }
  nlohmann::ordered_json header{{"__metadata__", {{"format", "pt"}}}};
  std::int64_t place = 0;
  for (const PlannedTensor& tensor : tensors) {
    const std::int64_t elements =
        std::accumulate(tensor.shape.begin(), tensor.shape.end(), std::int64_t{1}, std::multiplies<>());
    const std::int64_t end = place + elements * bytes_of(dtype);
    header[tensor.name] = {
        {"dtype", dtype == DType::float32 ? "F32" : "BF16"}, {"shape", tensor.shape}, {"data_offsets", {place, end}}};
    begin_[tensor.name] = place;
    place = end;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // the elements begin at a multiple of 8 bytes
  const auto length = static_cast<std::uint64_t>(text.size());
  const std::int64_t elements_begin = safetensors_prefix_bytes + std::ssize(text);
  file_.reserve(elements_begin + place);
  write_bytes(std::as_bytes(std::span(&length, 1)), 0);
  write_bytes(std::as_bytes(std::span(text)), safetensors_prefix_bytes);
  for (auto& [name, begin] : begin_) {
    begin += elements_begin;
  }
}

void SafetensorsWriter::write(const std::string& name, std::int64_t first, std::span<const float> values) {
  const auto begin = begin_.find(name);
  require(begin != begin_.end(), "only planned tensors are written");
  const std::int64_t at = begin->second + first * bytes_of(dtype_);
  if (dtype_ == DType::float32) {
    write_bytes(std::as_bytes(values), at);
    return;
  }
  const std::vector<bf16> rounded(values.begin(), values.end());
  write_bytes(std::as_bytes(std::span(rounded)), at);
}

void SafetensorsWriter::write_bytes(std::span<const std::byte> bytes, std::int64_t at) const {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor_.get(), bytes.data(), bytes.size(), at);
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      throw_cannot_write(file_.target(), written == 0 ? ENOSPC : errno);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    at += written;
  }
}

}  // namespace ringworld
