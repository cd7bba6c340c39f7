#include "tensors/checkpoint_source.hpp"

#include <fmt/format.h>

#include "io/checkpoint.hpp"

namespace ringworld {

namespace {

class CheckpointSource final : public TensorSource {
 public:
  CheckpointSource(const Communicator& communicator, const std::filesystem::path& path)
      : TensorSource(communicator, path), reader_(communicator, path) {}

  [[nodiscard]] bool has(const std::string& name) const override { return reader_.has(name); }
  [[nodiscard]] TensorInfo describe(const std::string& name) const override { return reader_.describe(name); }
  void read(const std::string& name, const TensorRange& range, std::span<float> values) const override {
    reader_.read(name, range, values);
  }
  [[nodiscard]] std::optional<AttributeValue> attribute(const std::string& name) const override {
    return reader_.attribute(name);
  }
  [[nodiscard]] std::vector<std::string> names() const override { return reader_.datasets(); }
  [[nodiscard]] std::vector<std::string> attribute_names() const override { return reader_.attribute_names(); }

 protected:
  [[nodiscard]] std::string label_of(const std::string& name) const override {
    return fmt::format("dataset '{}' of '{}'", name, path().string());
  }

 private:
  CheckpointReader reader_;
};

}  // namespace

bool is_checkpoint(const std::filesystem::path& /*path*/) { return true; }

std::unique_ptr<TensorSource> open_checkpoint(const Communicator& communicator, const std::filesystem::path& path) {
  return std::make_unique<CheckpointSource>(communicator, path);
}

}  // namespace ringworld
