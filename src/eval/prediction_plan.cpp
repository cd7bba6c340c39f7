#include "eval/prediction_plan.hpp"

#include <array>
#include <vector>

#include "device/counting/counting_devices.hpp"

namespace ringworld {
namespace {

/// One pass on kernels that compute nothing: they hold what grows with the first call of its size.
void predict_once(Model& model) {
  const std::array<std::int64_t, 2> shape{model.options().batch, std::ssize(model.positions())};
  const auto tokens = static_cast<std::size_t>(element_count(shape));
  const std::vector<std::int32_t> zeros(tokens);
  const std::vector<float> ones(tokens, 1.0F);
  std::vector<float> nll(tokens);
  std::vector<std::int32_t> likeliest(tokens);
  model.forward({.tokens = {zeros.data(), shape},
                 .targets = {zeros.data(), shape},
                 .weights = {ones.data(), shape},
                 .document_ids = {}},
                {.nll = {nll.data(), shape}, .likeliest = {likeliest.data(), shape}});
}

}  // namespace

std::int64_t plan_prediction(const ModelConfig& config, const ModelOptions& options, const MeshShape& mesh,
                             std::int64_t rank) {
  CountingDevices counting;
  const std::int64_t ranks = mesh[MeshAxis::dp] * mesh[MeshAxis::fsdp] * mesh[MeshAxis::tp] * mesh[MeshAxis::sp];
  const Communicator world = Communicator::pretended(static_cast<int>(rank), static_cast<int>(ranks));
  ShardedParameters parameters(config, Mesh(world, mesh), options.backend, ParameterUse::evaluation);
  const DeviceKind memory = device_of(options.backend);
  MemoryLedger& ledger = counting.of(memory).memory();
  const std::int64_t held = ledger.account().current;
  ledger.reset_high_water();
  Model model(parameters, options);
  if (memory != DeviceKind::host) {  // on the host the attention kernel is the real one, and would compute
    predict_once(model);
  }
  return ledger.account().high_water - held;
}

}  // namespace ringworld
