#pragma once
/// @file  Where a model's weights come from, whatever the format: named tensors of floating-point numbers, which every
/// rank reads its own part of, and attributes, which say what model they are of. Names are Hugging Face's.
///
///   our checkpoint (HDF5)   ---+
///   safetensors, one or many --+--> TensorSource --> model configuration, parameters
///   Hugging Face folder     ---+
///   GGUF                    ---+
///
/// A new format is a class of its own and one line in formats.cpp.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "comm/communicator.hpp"
#include "io/attribute.hpp"
#include "io/tensor_file.hpp"
#include "io/tensor_range.hpp"

namespace ringworld {

/// Weights, open for reading. Every call is collective over the communicator.
///
/// Errors are bad_input, collective, and name the file, the tensor, what was expected and what was found.
class TensorSource {
 public:
  TensorSource(const TensorSource&) = delete;
  TensorSource& operator=(const TensorSource&) = delete;
  virtual ~TensorSource() = default;

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] const Communicator& communicator() const noexcept { return communicator_; }

  [[nodiscard]] virtual bool has(const std::string& name) const = 0;

  /// @throws ringworld::Error when the tensor is missing, or not of floating point.
  [[nodiscard]] virtual TensorInfo describe(const std::string& name) const = 0;

  /// Reads this rank's range as float32. Numbers beyond float32 become infinite.
  /// @param values  range.size() elements
  /// @throws as require_tensor
  virtual void read(const std::string& name, const TensorRange& range, std::span<float> values) const = 0;

  /// Nothing when there is no attribute of this name, or it is empty.
  [[nodiscard]] virtual std::optional<AttributeValue> attribute(const std::string& name) const = 0;

  /// Of all tensors.
  [[nodiscard]] virtual std::vector<std::string> names() const = 0;
  /// Of all attributes.
  [[nodiscard]] virtual std::vector<std::string> attribute_names() const = 0;

  /// @throws as describe, and when the tensor is of another shape.
  void require_tensor(const std::string& name, std::span<const std::int64_t> shape) const;

  /// An attribute as a bool, std::int64_t, double or std::string (attribute.hpp says what counts as one).
  /// @throws ringworld::Error when it is missing or of another type.
  template <class T>
  [[nodiscard]] T get(const std::string& name) const {
    const auto value = attribute(name);
    std::optional<T> typed;
    if (value.has_value()) {
      typed = as<T>(*value);
    }
    if (!typed.has_value()) {
      throw_attribute(name, value, description_of<T>());
    }
    return *std::move(typed);
  }

 protected:
  TensorSource(Communicator communicator, std::filesystem::path path)
      : communicator_(std::move(communicator)), path_(std::move(path)) {}

  /// A tensor as messages name it: what it is called here, and in which file it is.
  [[nodiscard]] virtual std::string label_of(const std::string& name) const = 0;

 private:
  template <class T>
  static std::optional<T> as(const AttributeValue& value) {
    if constexpr (std::is_same_v<T, bool>) {
      return as_boolean(value);
    } else if constexpr (std::is_same_v<T, std::int64_t>) {
      return as_integer(value);
    } else if constexpr (std::is_same_v<T, double>) {
      return as_number(value);
    } else {
      return as_text(value);
    }
  }
  template <class T>
  static constexpr std::string_view description_of() {
    if constexpr (std::is_same_v<T, bool>) {
      return "a truth value";
    } else if constexpr (std::is_same_v<T, std::int64_t>) {
      return "an integer";
    } else if constexpr (std::is_same_v<T, double>) {
      return "a number";
    } else {
      return "text";
    }
  }
  [[noreturn]] void throw_attribute(const std::string& name, const std::optional<AttributeValue>& found,
                                    std::string_view expected) const;

  Communicator communicator_;
  std::filesystem::path path_;
};

/// Opens weights of any format that formats.cpp lists: told by what is at the path.
/// @throws ringworld::Error (bad_input, collective) when nothing is there, or it is of no format.
[[nodiscard]] std::unique_ptr<TensorSource> open_tensor_source(const Communicator& communicator,
                                                               const std::filesystem::path& path);

/// The files that make up the weights at a path: the path itself where it is one file or nothing.
[[nodiscard]] std::vector<std::string> files_of_weights(const std::string& path);

}  // namespace ringworld
