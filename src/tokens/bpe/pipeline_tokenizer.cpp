#include "tokens/bpe/pipeline_tokenizer.hpp"

#include <algorithm>

#include "core/utf8.hpp"

namespace ringworld {
namespace {

constexpr std::string_view metaspace_mark = "\xe2\x96\x81";
/// Longer words are seldom seen twice.
constexpr std::size_t longest_remembered = 64;
constexpr std::size_t most_remembered = 1U << 18U;

/// Each maximal start of a character, or else each byte, that is not well-formed becomes U+FFFD, as a lossy conversion
/// of Rust and Python does.
std::string with_replacements(std::string_view text) {
  std::string clean;
  while (!text.empty()) {
    const std::size_t good = find_malformed(text).value_or(text.size());
    clean += text.substr(0, good);
    text.remove_prefix(good);
    if (text.empty()) {
      break;
    }
    // The longest start of a well-formed character: one that some continuation makes whole.
    std::size_t bad = 1;
    for (std::size_t bytes = std::min<std::size_t>(3, text.size()); bytes > 1; --bytes) {
      std::string start(text.substr(0, bytes));
      bool is_start = false;
      while (start.size() < 4 && !is_start) {
        start += '\x80';
        is_start = first_character(start).has_value() && first_character(start)->bytes == start.size();
      }
      if (!is_start) {
        // U+0800.. and U+10000.. have starts after which not every continuation is well-formed.
        start = std::string(text.substr(0, bytes)) + '\xbf';
        is_start = first_character(start).has_value() && first_character(start)->bytes == start.size();
      }
      if (is_start) {
        bad = bytes;
        break;
      }
    }
    append_utf8(clean, 0xFFFD);
    text.remove_prefix(bad);
  }
  return clean;
}

class PipelineTokenizer final : public Tokenizer {
 public:
  explicit PipelineTokenizer(PipelineParts parts)
      : kind_(std::move(parts.kind)),
        own_text_(std::move(parts.own_text)),
        normaliser_(std::move(parts.normaliser)),
        raw_tokens_(select(parts.added, false, normaliser_)),
        normalised_tokens_(select(parts.added, true, normaliser_)),
        pieces_(pieces_of(parts)),
        model_(std::move(parts.model)),
        decoders_(std::move(parts.decoders)),
        joins_with_spaces_(parts.joins_with_spaces),
        prefix_(std::move(parts.prefix)),
        suffix_(std::move(parts.suffix)) {
    // Without this a text that no splitter cuts would be one long word.
    if (model_.starts_pieces(metaspace_mark)) {
      parts.splitters.push_back(cut_before_runs(std::string(metaspace_mark)));
    }
    splitter_ = in_sequence(std::move(parts.splitters));
  }

  [[nodiscard]] std::string_view kind() const override { return kind_; }
  [[nodiscard]] std::int64_t vocab_size() const override { return std::ssize(pieces_); }
  [[nodiscard]] std::optional<Token> bos() const override {
    return prefix_.empty() ? std::nullopt : std::optional(prefix_.front());
  }
  [[nodiscard]] std::optional<Token> eos() const override {
    return suffix_.empty() ? std::nullopt : std::optional(suffix_.back());
  }
  [[nodiscard]] std::string to_text() const override { return own_text_; }

  [[nodiscard]] std::vector<Token> encode(std::string_view text) const override { return encode(text, false); }
  [[nodiscard]] std::vector<Token> encode_markup(std::string_view text) const override { return encode(text, true); }

  [[nodiscard]] std::string decode(std::span<const Token> tokens) const override {
    std::vector<std::string> pieces;
    pieces.reserve(tokens.size());
    for (const Token token : tokens) {
      require_token(token, vocab_size());
      pieces.push_back(pieces_[static_cast<std::size_t>(token)]);
    }
    for (const Decoder& decoder : decoders_) {
      pieces = decoder(std::move(pieces));
    }
    std::string text;
    for (const std::string& piece : pieces) {
      if (joins_with_spaces_ && !text.empty()) {
        text += ' ';
      }
      text += piece;
    }
    return text;
  }

 private:
  static AddedTokenFinder select(std::vector<AddedToken> tokens, bool is_normalised, const Normaliser& normaliser) {
    std::erase_if(tokens, [&](const AddedToken& token) { return token.is_normalised != is_normalised; });
    for (AddedToken& token : tokens) {
      if (is_normalised && normaliser) {
        token.content = normaliser(std::move(token.content));
      }
    }
    return AddedTokenFinder(std::move(tokens));
  }

  static std::vector<std::string> pieces_of(const PipelineParts& parts) {
    std::vector<std::string> pieces;
    const auto put = [&](Token token, const std::string& piece) {
      const auto index = static_cast<std::size_t>(token);
      pieces.resize(std::max(pieces.size(), index + 1));
      pieces[index] = piece;
    };
    for (const auto& [piece, token] : parts.model.vocabulary) {
      put(token, piece);
    }
    for (const AddedToken& token : parts.added) {
      put(token.token, token.content);
    }
    return pieces;
  }

  [[nodiscard]] std::vector<Token> encode(std::string_view text, bool finds_special) const {
    std::string clean;
    if (find_malformed(text).has_value()) {
      clean = with_replacements(text);
      text = clean;
    }
    std::vector<Token> tokens;
    TextMap<std::vector<Token>> remembered;
    const WordSink take_word = [&](std::string_view word, bool /*is_start*/) {
      if (word.size() > longest_remembered) {
        model_.encode(word, tokens);
        return;
      }
      if (const auto known = remembered.find(word); known != remembered.end()) {
        tokens.insert(tokens.end(), known->second.begin(), known->second.end());
        return;
      }
      const auto begin = std::ssize(tokens);
      model_.encode(word, tokens);
      if (remembered.size() < most_remembered) {
        remembered.emplace(word, std::vector<Token>(tokens.begin() + begin, tokens.end()));
      }
    };
    raw_tokens_.split(text, finds_special, [&](std::string_view stretch, std::optional<Token> added) {
      if (added.has_value()) {
        tokens.push_back(*added);
        return;
      }
      const bool begins_text = stretch.data() == text.data();
      std::string changed(stretch);
      if (normaliser_) {
        changed = normaliser_(std::move(changed));
      }
      normalised_tokens_.split(changed, finds_special, [&](std::string_view part, std::optional<Token> token) {
        if (token.has_value()) {
          tokens.push_back(*token);
        } else {
          splitter_(part, begins_text && part.data() == changed.data(), take_word);
        }
      });
    });
    return tokens;
  }

  std::string kind_;
  std::string own_text_;
  Normaliser normaliser_;
  AddedTokenFinder raw_tokens_;
  AddedTokenFinder normalised_tokens_;
  std::vector<std::string> pieces_;
  BytePairModel model_;
  Splitter splitter_;
  std::vector<Decoder> decoders_;
  bool joins_with_spaces_;
  std::vector<Token> prefix_;
  std::vector<Token> suffix_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_pipeline_tokenizer(PipelineParts parts) {
  return std::make_unique<PipelineTokenizer>(std::move(parts));
}

}  // namespace ringworld
