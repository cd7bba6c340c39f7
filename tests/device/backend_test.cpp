#include "device/backend.hpp"

#include <gtest/gtest.h>

#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

TEST(Backend, EveryNameIsReadBackAsItsBackend) {
  for (const Backend backend : {Backend::reference, Backend::kokkos, Backend::host, Backend::cuda}) {
    EXPECT_EQ(parse_backend(name_of(backend)), backend);
  }
  EXPECT_EQ(name_of(Backend::reference), "reference");
  EXPECT_EQ(name_of(Backend::kokkos), "kokkos");
  EXPECT_EQ(name_of(Backend::host), "host");
  EXPECT_EQ(name_of(Backend::cuda), "cuda");
}

TEST(Backend, UnknownNamesAreBadInputWithASuggestion) {
  expect_error(ErrorKind::bad_input, [] { static_cast<void>(parse_backend("kokos")); },
               {"backend 'kokos' is unknown", "did you mean 'kokkos'?"});
  expect_error(ErrorKind::bad_input, [] { static_cast<void>(parse_backend("")); });
  expect_error(ErrorKind::bad_input, [] { static_cast<void>(parse_backend("Host")); }, {"'host'"});
}

}  // namespace
}  // namespace ringworld::test
