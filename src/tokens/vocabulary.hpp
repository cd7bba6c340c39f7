#pragma once
/// @file  The vocabulary of a model, in parts: one a modality. A token's modality is the part that holds its id, so
/// that nothing else has to say it.
///
///   text     0 .. 31999     vision     32000 .. 40447
///
/// A model has one embedding table, the parts one below the other, and a head a part: the head of the part that holds
/// the target predicts it, among the tokens of that part only.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringworld {

/// Tokens `begin <= id < end()`.
struct VocabularyPart {
  std::string name;
  std::int64_t begin = 0;
  std::int64_t size = 0;

  [[nodiscard]] std::int64_t end() const { return begin + size; }
  [[nodiscard]] bool contains(std::int64_t token) const { return token >= begin && token < end(); }
  bool operator==(const VocabularyPart&) const = default;
};

/// At least one part; ids rise from 0 without gaps.
class Vocabulary {
 public:
  /// Tokens of one kind. @param size  checked by `validate`
  // NOLINTNEXTLINE(google-explicit-constructor): most models know one modality, and their vocabulary is a number.
  Vocabulary(std::int64_t size = 0) : parts_{{.name = "text", .begin = 0, .size = size}} {}

  /// "text:32000,vision:8448", or a number alone for text.
  /// @throws ringworld::Error (bad_input) that names the part which is wrong.
  [[nodiscard]] static Vocabulary parse(std::string_view text);

  [[nodiscard]] const std::vector<VocabularyPart>& parts() const { return parts_; }
  [[nodiscard]] std::int64_t size() const { return parts_.back().end(); }
  [[nodiscard]] bool contains(std::int64_t token) const { return token >= 0 && token < size(); }
  /// Index of the part that holds the token. @pre contains(token)
  [[nodiscard]] std::size_t part_of(std::int64_t token) const;
  /// The part of this name. @throws ringworld::Error (bad_input) that names those there are.
  [[nodiscard]] const VocabularyPart& part(std::string_view name) const;
  /// The same vocabulary with another size of the first part; the ids of the other parts shift.
  [[nodiscard]] Vocabulary with_first_part(std::int64_t size) const;
  /// Text in the form that `parse` reads.
  [[nodiscard]] std::string to_text() const;

  bool operator==(const Vocabulary&) const = default;

 private:
  void append(std::string name, std::int64_t size);

  std::vector<VocabularyPart> parts_;
};

/// @throws ringworld::Error (bad_input) when a part has no token, there are more than 32-bit ids, or two have one name.
void validate(const Vocabulary& vocabulary);

}  // namespace ringworld
