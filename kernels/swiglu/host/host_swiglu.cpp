#include "kernels/elementwise/parallel.hpp"
#include "kernels/elementwise/row_functions.hpp"
#include "kernels/swiglu/swiglu.hpp"

namespace ringworld {
namespace {

class HostSwiGlu final : public SwiGlu {
 public:
  explicit HostSwiGlu(const KernelOptions& options) : threads_(options.threads) {}

 private:
  void run_forward(const SwiGluForward& pass) override {
    with_type(pass.gate.dtype, [&](auto type) { forward_typed<decltype(type)>(pass); });
  }

  void run_backward(const SwiGluBackward& pass) override {
    with_type(pass.gate.dtype, [&](auto type) { backward_typed<decltype(type)>(pass); });
  }

  template <class T>
  void forward_typed(const SwiGluForward& pass) {
    const auto& functions = functions_.of<T>();
    row::for_each_range(threads_, pass.gate.rows, row::rows_per_range(pass.gate.columns),
                        [&](std::int64_t begin, std::int64_t end) {
                          for (std::int64_t t = begin; t < end; ++t) {
                            functions.swiglu({.gate = pass.gate.row<T>(t),
                                              .up = pass.up.row<T>(t),
                                              .y = pass.y.row<T>(t),
                                              .columns = pass.gate.columns,
                                              .to_next_row = pass.gate.row_stride});
                          }
                        });
  }

  template <class T>
  void backward_typed(const SwiGluBackward& pass) {
    const auto& functions = functions_.of<T>();
    row::for_each_range(threads_, pass.gate.rows, row::rows_per_range(pass.gate.columns),
                        [&](std::int64_t begin, std::int64_t end) {
                          for (std::int64_t t = begin; t < end; ++t) {
                            functions.swiglu_backward({.dy = pass.dy.row<T>(t),
                                                       .gate = pass.gate.row<T>(t),
                                                       .up = pass.up.row<T>(t),
                                                       .dgate = pass.dgate.row<T>(t),
                                                       .dup = pass.dup.row<T>(t),
                                                       .y = pass.y.row<T>(t),
                                                       .columns = pass.gate.columns,
                                                       .to_next_row = pass.gate.row_stride});
                          }
                        });
  }

  int threads_;
  const row::RowFunctions& functions_ = row::row_functions(selected_isa());
};

}  // namespace

std::unique_ptr<SwiGlu> make_host_swiglu(const KernelOptions& options) { return std::make_unique<HostSwiGlu>(options); }

}  // namespace ringworld
