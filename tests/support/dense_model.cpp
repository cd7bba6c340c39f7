#include "support/dense_model.hpp"

#include <fmt/format.h>

#include <cmath>
#include <span>
#include <utility>

#include "kernels/embedding/reference/lookup.hpp"
#include "kernels/loss/reference/softmax.hpp"
#include "kernels/norm/reference/rms_norm.hpp"
#include "kernels/rope/reference/rotate.hpp"
#include "kernels/swiglu/reference/swiglu.hpp"
#include "support/dense_attention.hpp"

namespace ringworld::test {
namespace {

using Values = std::vector<double>;

std::span<double> part(Values& values, std::int64_t begin, std::int64_t count) {
  return std::span(values).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
}
std::span<const double> part(const Values& values, std::int64_t begin, std::int64_t count) {
  return std::span(values).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
}

void add(Values& to, const Values& from) {
  for (std::size_t i = 0; i < to.size(); ++i) {
    to[i] += from[i];
  }
}

/// y = x W^T [+ b]
struct DenseLinear {
  const Values& weight;
  std::int64_t out;
  std::int64_t in;

  [[nodiscard]] Values forward(const Values& x) const {
    const std::int64_t rows = std::ssize(x) / in;
    Values y(static_cast<std::size_t>(rows * out));
    for (std::int64_t t = 0; t < rows; ++t) {
      for (std::int64_t o = 0; o < out; ++o) {
        for (std::int64_t i = 0; i < in; ++i) {
          y[static_cast<std::size_t>(t * out + o)] +=
              x[static_cast<std::size_t>(t * in + i)] * weight[static_cast<std::size_t>(o * in + i)];
        }
      }
    }
    return y;
  }

  /// Returns dx; adds to dweight.
  [[nodiscard]] Values backward(const Values& x, const Values& dy, Values& dweight) const {
    const std::int64_t rows = std::ssize(x) / in;
    dweight.resize(weight.size());
    Values dx(x.size());
    for (std::int64_t t = 0; t < rows; ++t) {
      for (std::int64_t o = 0; o < out; ++o) {
        const double value = dy[static_cast<std::size_t>(t * out + o)];
        for (std::int64_t i = 0; i < in; ++i) {
          dx[static_cast<std::size_t>(t * in + i)] += value * weight[static_cast<std::size_t>(o * in + i)];
          dweight[static_cast<std::size_t>(o * in + i)] += value * x[static_cast<std::size_t>(t * in + i)];
        }
      }
    }
    return dx;
  }
};

struct DenseNorm {
  const Values& weight;
  double epsilon;
  Values inverse_rms{};

  Values forward(const Values& x) {
    const std::int64_t columns = std::ssize(weight);
    Values y(x.size());
    inverse_rms.clear();
    for (std::int64_t begin = 0; begin < std::ssize(x); begin += columns) {
      inverse_rms.push_back(
          reference::rms_norm<double>(part(x, begin, columns), weight, epsilon, part(y, begin, columns)));
    }
    return y;
  }
  [[nodiscard]] Values backward(const Values& x, const Values& dy, Values& dweight) const {
    const std::int64_t columns = std::ssize(weight);
    dweight.resize(weight.size());
    Values dx(x.size());
    for (std::int64_t begin = 0; begin < std::ssize(x); begin += columns) {
      reference::rms_norm_backward<double>(part(dy, begin, columns), part(x, begin, columns), weight,
                                           inverse_rms[static_cast<std::size_t>(begin / columns)],
                                           part(dx, begin, columns), dweight);
    }
    return dx;
  }
};

void rotate_heads(Values& x, const ModelConfig& config, std::int64_t heads, std::int64_t context_length,
                  RopeDirection direction) {
  const std::int64_t half = config.head_size / 2;
  Values cosine(static_cast<std::size_t>(half));
  Values sine(static_cast<std::size_t>(half));
  for (std::int64_t vector = 0; vector * config.head_size < std::ssize(x); ++vector) {
    const auto position = static_cast<double>(vector / heads % context_length);
    for (std::int64_t i = 0; i < half; ++i) {
      const double angle =
          position * std::pow(config.rope_theta, -2.0 * static_cast<double>(i) / static_cast<double>(config.head_size));
      cosine[static_cast<std::size_t>(i)] = std::cos(angle);
      sine[static_cast<std::size_t>(i)] = std::sin(angle);
    }
    reference::rotate<double>(part(x, vector * config.head_size, config.head_size), cosine, sine, config.rope_pairing,
                              direction);
  }
}

void add_bias_rows(Values& y, const Values& bias) {
  for (std::size_t i = 0; i < y.size(); ++i) {
    y[i] += bias[i % bias.size()];
  }
}

void add_bias_gradient_rows(const Values& dy, std::size_t columns, Values& dbias) {
  dbias.resize(columns);
  for (std::size_t i = 0; i < dy.size(); ++i) {
    dbias[i % columns] += dy[i];
  }
}

/// One layer: keeps what its backward pass needs.
class DenseLayer {
 public:
  DenseLayer(const ModelConfig& config, const NamedTensors& parameters, const DenseModelBatch& batch,
             std::string prefix)
      : config_(config),
        parameters_(parameters),
        prefix_(std::move(prefix)),
        norm_{of("input_layernorm.weight"), config.rms_norm_eps},
        middle_norm_{of("post_attention_layernorm.weight"), config.rms_norm_eps},
        query_norm_{optional("self_attn.q_norm.weight"), config.rms_norm_eps},
        key_norm_{optional("self_attn.k_norm.weight"), config.rms_norm_eps},
        attention_{.batch = batch.batch,
                   .query_tokens = batch.context_length,
                   .key_tokens = batch.context_length,
                   .heads = config.heads,
                   .kv_heads = config.kv_heads,
                   .head_size = config.head_size,
                   .scale = 1.0 / std::sqrt(static_cast<double>(config.head_size)),
                   .is_visible = whole_sequence(batch.context_length, true, batch.document_ids),
                   .q = {},
                   .k = {},
                   .v = {}} {}

  Values forward(const Values& x) {
    x_ = x;
    normed_ = norm_.forward(x);
    attention_.q = project("q_proj", query_size());
    attention_.k = project("k_proj", key_size());
    attention_.v = project("v_proj", key_size());
    if (config_.has_query_key_norm) {
      q_ = std::exchange(attention_.q, query_norm_.forward(attention_.q));
      k_ = std::exchange(attention_.k, key_norm_.forward(attention_.k));
    }
    rotate_heads(attention_.q, config_, config_.heads, attention_.query_tokens, RopeDirection::forward);
    rotate_heads(attention_.k, config_, config_.kv_heads, attention_.query_tokens, RopeDirection::forward);
    out_ = dense_forward(attention_).out;
    middle_ = o().forward(out_);
    add(middle_, x);
    middle_normed_ = middle_norm_.forward(middle_);
    gate_ = gate().forward(middle_normed_);
    up_ = up().forward(middle_normed_);
    inner_.resize(gate_.size());
    for (std::size_t i = 0; i < gate_.size(); ++i) {
      inner_[i] = reference::swiglu(gate_[i], up_[i]);
    }
    Values y = down().forward(inner_);
    add(y, middle_);
    return y;
  }

  Values backward(Values dy, NamedTensors& gradients) {
    const auto gradient_of = [&](const char* name) -> Values& { return gradients[prefix_ + name]; };
    const Values dinner = down().backward(inner_, dy, gradient_of("mlp.down_proj.weight"));
    Values dgate(dinner.size());
    Values dup(dinner.size());
    for (std::size_t i = 0; i < dinner.size(); ++i) {
      const auto gradient = reference::swiglu_backward(dinner[i], gate_[i], up_[i]);
      dgate[i] = gradient.dgate;
      dup[i] = gradient.dup;
    }
    Values dnormed = gate().backward(middle_normed_, dgate, gradient_of("mlp.gate_proj.weight"));
    add(dnormed, up().backward(middle_normed_, dup, gradient_of("mlp.up_proj.weight")));
    add(dy, middle_norm_.backward(middle_, dnormed, gradient_of("post_attention_layernorm.weight")));

    const Values dout = o().backward(out_, dy, gradient_of("self_attn.o_proj.weight"));
    DenseGradients turned = dense_backward(attention_, dout);
    rotate_heads(turned.dq, config_, config_.heads, attention_.query_tokens, RopeDirection::inverse);
    rotate_heads(turned.dk, config_, config_.kv_heads, attention_.query_tokens, RopeDirection::inverse);
    if (config_.has_query_key_norm) {
      turned.dq = query_norm_.backward(q_, turned.dq, gradient_of("self_attn.q_norm.weight"));
      turned.dk = key_norm_.backward(k_, turned.dk, gradient_of("self_attn.k_norm.weight"));
    }
    dnormed = unproject("q_proj", query_size(), turned.dq, gradients);
    add(dnormed, unproject("k_proj", key_size(), turned.dk, gradients));
    add(dnormed, unproject("v_proj", key_size(), turned.dv, gradients));
    add(dy, norm_.backward(x_, dnormed, gradient_of("input_layernorm.weight")));
    return dy;
  }

 private:
  [[nodiscard]] const Values& of(const std::string& name) const { return parameters_.at(prefix_ + name); }
  /// Empty where the model has no such parameter.
  [[nodiscard]] const Values& optional(const std::string& name) const {
    static const Values none;
    const auto found = parameters_.find(prefix_ + name);
    return found == parameters_.end() ? none : found->second;
  }
  [[nodiscard]] std::int64_t query_size() const { return config_.heads * config_.head_size; }
  [[nodiscard]] std::int64_t key_size() const { return config_.kv_heads * config_.head_size; }
  [[nodiscard]] DenseLinear projection(const std::string& name, std::int64_t size) const {
    return {of("self_attn." + name + ".weight"), size, config_.hidden_size};
  }
  [[nodiscard]] DenseLinear o() const { return {of("self_attn.o_proj.weight"), config_.hidden_size, query_size()}; }
  [[nodiscard]] DenseLinear gate() const { return {of("mlp.gate_proj.weight"), config_.ffn_size, config_.hidden_size}; }
  [[nodiscard]] DenseLinear up() const { return {of("mlp.up_proj.weight"), config_.ffn_size, config_.hidden_size}; }
  [[nodiscard]] DenseLinear down() const { return {of("mlp.down_proj.weight"), config_.hidden_size, config_.ffn_size}; }

  [[nodiscard]] Values project(const std::string& name, std::int64_t size) const {
    Values y = projection(name, size).forward(normed_);
    if (config_.has_attention_bias) {
      add_bias_rows(y, of("self_attn." + name + ".bias"));
    }
    return y;
  }
  [[nodiscard]] Values unproject(const std::string& name, std::int64_t size, const Values& dy,
                                 NamedTensors& gradients) const {
    if (config_.has_attention_bias) {
      add_bias_gradient_rows(dy, static_cast<std::size_t>(size), gradients[prefix_ + "self_attn." + name + ".bias"]);
    }
    return projection(name, size).backward(normed_, dy, gradients[prefix_ + "self_attn." + name + ".weight"]);
  }

  const ModelConfig& config_;
  const NamedTensors& parameters_;
  std::string prefix_;
  DenseNorm norm_;
  DenseNorm middle_norm_;
  DenseNorm query_norm_;
  DenseNorm key_norm_;
  DenseAttention attention_;
  Values q_, k_;  // before their norms
  Values x_, normed_, out_, middle_, middle_normed_, gate_, up_, inner_;
};

/// The tables of a vocabulary's parts, one below the other.
struct StackedTables {
  std::vector<std::string> names;

  [[nodiscard]] Values stack(const NamedTensors& parameters) const {
    Values table;
    for (const std::string& name : names) {
      const Values& part = parameters.at(name);
      table.insert(table.end(), part.begin(), part.end());
    }
    return table;
  }
  /// Adds the rows of each part to its gradient.
  void add_to(const Values& dtable, const NamedTensors& parameters, NamedTensors& gradients) const {
    auto from = dtable.begin();
    for (const std::string& name : names) {
      Values& gradient = gradients[name];
      gradient.resize(parameters.at(name).size());
      for (double& value : gradient) {
        value += *from++;
      }
    }
  }
};

StackedTables embedding_tables(const ModelConfig& config) {
  StackedTables tables;
  for (const VocabularyPart& part : config.vocabulary.parts()) {
    tables.names.push_back(part.name == "text" ? "model.embed_tokens.weight"
                                               : fmt::format("model.embed_{}.weight", part.name));
  }
  return tables;
}

StackedTables head_tables(const ModelConfig& config) {
  StackedTables tables;
  for (const VocabularyPart& part : config.vocabulary.parts()) {
    tables.names.push_back(part.name == "text" ? "lm_head.weight" : fmt::format("{}_head.weight", part.name));
  }
  return tables;
}

}  // namespace

DenseModelResult run_dense_model(const ModelConfig& config, const NamedTensors& parameters,
                                 const DenseModelBatch& batch) {
  const StackedTables embedding = embedding_tables(config);
  const StackedTables heads = config.is_head_tied ? embedding : head_tables(config);
  const Values table = embedding.stack(parameters);
  const Values head_table = heads.stack(parameters);
  const std::int64_t vocabulary = config.vocabulary.size();
  DenseModelResult result;

  Values x(batch.tokens.size() * static_cast<std::size_t>(config.hidden_size));
  reference::look_up<double>(batch.tokens, table, 0, config.hidden_size, x);
  std::vector<DenseLayer> layers;
  for (std::int64_t index = 0; index < config.layers; ++index) {
    layers.emplace_back(config, parameters, batch, fmt::format("model.layers.{}.", index));
    x = layers.back().forward(x);
  }
  DenseNorm norm{parameters.at("model.norm.weight"), config.rms_norm_eps};
  const Values hidden = norm.forward(x);
  const DenseLinear head{head_table, vocabulary, config.hidden_size};
  result.logits = head.forward(hidden);

  Values dlogits = result.logits;
  result.nll.resize(batch.tokens.size());
  for (std::int64_t t = 0; t < std::ssize(batch.tokens); ++t) {
    const auto row = part(dlogits, t * vocabulary, vocabulary);
    const std::int32_t target = batch.targets[static_cast<std::size_t>(t)];
    if (target < 0) {
      std::ranges::fill(row, 0.0);
      continue;
    }
    // Only the tokens of the target's part are candidates.
    const VocabularyPart& candidates = config.vocabulary.parts()[config.vocabulary.part_of(target)];
    for (std::int64_t token = 0; token < vocabulary; ++token) {
      row[static_cast<std::size_t>(token)] *= candidates.contains(token) ? 1.0 : 0.0;
    }
    const double weight = batch.weights[static_cast<std::size_t>(t)];
    result.nll[static_cast<std::size_t>(t)] = reference::cross_entropy<double>(
        row.subspan(static_cast<std::size_t>(candidates.begin), static_cast<std::size_t>(candidates.size)),
        target - static_cast<std::int32_t>(candidates.begin), weight);
    result.loss += weight * result.nll[static_cast<std::size_t>(t)];
  }

  Values dhead;
  Values dx = head.backward(hidden, dlogits, dhead);
  heads.add_to(dhead, parameters, result.gradients);
  dx = norm.backward(x, dx, result.gradients["model.norm.weight"]);
  for (std::int64_t index = config.layers; index-- > 0;) {
    dx = layers[static_cast<std::size_t>(index)].backward(dx, result.gradients);
  }
  Values dtable(table.size());
  reference::look_up_backward<double>(batch.tokens, dx, 0, config.hidden_size, dtable);
  embedding.add_to(dtable, parameters, result.gradients);
  return result;
}

}  // namespace ringworld::test
