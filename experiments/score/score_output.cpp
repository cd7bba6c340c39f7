#include "experiments/score/score_output.hpp"

#include <algorithm>

#include "comm/collectives.hpp"
#include "device/host_access.hpp"

namespace ringworld {
namespace {

/// Tokens whose logits are in memory at a time.
constexpr std::int64_t logit_chunk = 256;
constexpr int tag = 1;

std::string gradient_name(const TensorLayout& tensor) { return "gradients/" + tensor.name; }

}  // namespace

ScoreOutput::ScoreOutput(const std::string& path, const ScoreOutputs& outputs, const ParameterLayout& layout,
                         const Mesh& mesh)
    : outputs_(outputs),
      vocab_size_(layout.config().vocabulary.size()),
      mesh_(mesh),
      groups_(mesh.across({MeshAxis::dp, MeshAxis::fsdp})) {
  on_root(mesh.all(), [&] {
    writer_ = TensorWriter::create(path);
    writer_->add("nll", std::array{outputs.batch, outputs.context_length - 1},
                 "-log p(token t+1 | tokens 0..t), (batch, t), natural logarithm");
    if (outputs.has_logits) {
      writer_->add("logits", std::array{outputs.batch, outputs.context_length, vocab_size_},
                   "logits of the token after t, (batch, t, vocabulary)");
    }
    for (const UnitLayout& unit : layout.units()) {
      for (const TensorLayout& tensor : unit.tensors) {
        if (outputs.has_gradients) {
          writer_->add(gradient_name(tensor), tensor.global_shape, "gradient of the mean nll");
        }
      }
    }
  });
}

void ScoreOutput::write_nll(std::span<double> nll) {
  mesh_.all().all_reduce(nll, Reduction::sum);
  on_root(mesh_.all(), [&] {
    const std::vector<float> values(nll.begin(), nll.end());
    const std::array shape{outputs_.batch, outputs_.context_length - 1};
    write("nll", shape, {.start = {0, 0}, .count = {shape.begin(), shape.end()}}, values);
  });
}

void ScoreOutput::write_logits(Model& model, std::int64_t row) {
  const bool speaks = mesh_.coordinate(MeshAxis::tp) == 0 && mesh_.coordinate(MeshAxis::sp) == 0;
  const std::int64_t first_row = row - groups_.rank();
  const std::int64_t rows = std::min<std::int64_t>(groups_.size(), outputs_.batch - first_row);  // that are sequences
  for (std::int64_t begin = 0; begin < outputs_.context_length; begin += logit_chunk) {
    const std::int64_t count = std::min(logit_chunk, outputs_.context_length - begin);
    std::vector<LogitPlace> places;
    for (std::int64_t position = begin; position < begin + count; ++position) {
      places.push_back({.row = 0, .position = position});
    }
    std::vector<float> values(static_cast<std::size_t>(count * vocab_size_));
    model.logits(places, {values.data(), {count, vocab_size_}});
    if (speaks && !groups_.is_root() && groups_.rank() < rows) {
      groups_.send(std::as_bytes(std::span(values)), 0, tag);
    }
    on_root(mesh_.all(), [&] {
      for (int group = 0; group < rows; ++group) {
        if (group > 0) {
          groups_.receive(std::as_writable_bytes(std::span(values)), group, tag);
        }
        write("logits", std::array{outputs_.batch, outputs_.context_length, vocab_size_},
              {.start = {first_row + group, begin, 0}, .count = {1, count, vocab_size_}}, values);
      }
    });
  }
}

void ScoreOutput::write_gradients(const ShardedParameters& parameters) {
  auto piece = parameters.pieces().begin();
  HostAccess access(parameters.memory());
  for (const UnitLayout& unit : parameters.layout().units()) {
    for (const TensorLayout& tensor : unit.tensors) {
      std::vector<float> whole(static_cast<std::size_t>(tensor.global_elements()));
      for (; piece != parameters.pieces().end() && piece->tensor == &tensor; ++piece) {
        // All dp ranks hold the same sums, and all tp ranks those of tensors that are not cut: one of them speaks.
        const bool speaks = mesh_.coordinate(MeshAxis::dp) == 0 &&
                            (!tensor.slice.is_replicated() || mesh_.coordinate(MeshAxis::tp) == 0);
        const std::span<const float> gradient = access.read(piece->gradient);
        for (std::int64_t i = piece->begin; i < piece->end && speaks; ++i) {
          whole[static_cast<std::size_t>(tensor.global_index(i))] =
              gradient[static_cast<std::size_t>(i - piece->begin)];
        }
      }
      all_reduce(mesh_.all(), whole, Reduction::sum);
      on_root(mesh_.all(), [&] {
        write(gradient_name(tensor), tensor.global_shape,
              {.start = std::vector<std::int64_t>(tensor.global_shape.size(), 0), .count = tensor.global_shape}, whole);
      });
    }
  }
}

void ScoreOutput::write(const std::string& dataset, std::span<const std::int64_t> shape, const Hyperslab& slab,
                        std::span<const float> values) {
  writer_->write(dataset, slab, values);
  non_finite_.count(dataset, shape, slab, values);
}

void ScoreOutput::finish() {
  on_root(mesh_.all(), [&] { writer_->finish(); });
}

}  // namespace ringworld
