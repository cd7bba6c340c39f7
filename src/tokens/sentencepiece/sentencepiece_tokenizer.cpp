#include "tokens/sentencepiece_tokenizer.hpp"

#include <fmt/format.h>
#include <sentencepiece_processor.h>

#include <string>

#include "core/error.hpp"
#include "core/text_file.hpp"

namespace ringworld {
namespace {

namespace fs = std::filesystem;

/// FNV-1a, 64 bits: tells another file apart, and no more is asked of it.
std::uint64_t checksum_of(std::string_view content) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char byte : content) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3U;
  }
  return hash;
}

std::optional<Token> if_present(int token) { return token < 0 ? std::nullopt : std::optional<Token>(token); }

class SentencepieceTokenizer final : public Tokenizer {
 public:
  explicit SentencepieceTokenizer(const fs::path& model) : path_(fs::absolute(model)) {
    const std::string content = read_binary_file(model);
    checksum_ = checksum_of(content);
    const bool is_model = !content.empty() && processor_.LoadFromSerializedProto(content).ok();
    require_input(is_model && processor_.GetPieceSize() > 0,
                  fmt::format("'{}' is not a SentencePiece model (a .model file, such as LLaMA's tokenizer.model)",
                              model.string()));
  }

  [[nodiscard]] std::string_view kind() const override { return "sentencepiece"; }
  [[nodiscard]] std::int64_t vocab_size() const override { return processor_.GetPieceSize(); }
  [[nodiscard]] std::optional<Token> bos() const override { return if_present(processor_.bos_id()); }
  [[nodiscard]] std::optional<Token> eos() const override { return if_present(processor_.eos_id()); }

  [[nodiscard]] std::vector<Token> encode(std::string_view text) const override {
    std::vector<int> tokens;
    const auto status = processor_.Encode(text, &tokens);
    require(status.ok(), "SentencePiece could not encode a text");
    return tokens;
  }

  [[nodiscard]] std::string decode(std::span<const Token> tokens) const override {
    for (const Token token : tokens) {
      require_token(token, vocab_size());
    }
    std::string text;
    const auto status = processor_.Decode(std::vector<int>(tokens.begin(), tokens.end()), &text);
    require(status.ok(), "SentencePiece could not decode tokens");
    return text;
  }

  [[nodiscard]] std::string to_text() const override {
    return fmt::format("sentencepiece {:016x} {}\n", checksum_, path_.string());
  }

 private:
  fs::path path_;
  std::uint64_t checksum_ = 0;
  sentencepiece::SentencePieceProcessor processor_;
};

}  // namespace

bool has_sentencepiece() { return true; }

std::unique_ptr<Tokenizer> read_sentencepiece_tokenizer(const fs::path& model) {
  return std::make_unique<SentencepieceTokenizer>(model);
}

std::unique_ptr<Tokenizer> restore_sentencepiece_tokenizer(std::string_view text) {
  // "sentencepiece <16 hexadecimal digits> <path>\n"
  constexpr std::size_t path_begin = 31;
  require_input(text.size() > path_begin + 1 && text.ends_with('\n'),
                "the text of a SentencePiece tokenizer is 'sentencepiece <checksum> <path>'");
  const fs::path path = text.substr(path_begin, text.size() - path_begin - 1);
  auto tokenizer = read_sentencepiece_tokenizer(path);
  require_input(
      tokenizer->to_text() == text,
      fmt::format("'{}' is not the tokenizer model that this was made with: its content differs", path.string()));
  return tokenizer;
}

}  // namespace ringworld
