#include "foreign_file.hpp"

#include <hdf5.h>

#include <array>
#include <cstdint>

namespace ringworld::test {

void write_foreign_file(const std::filesystem::path& path) {
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hsize_t extent = 3;
  const hid_t space = H5Screate_simple(1, &extent, nullptr);
  const auto add = [&](const char* name, hid_t file_type, hid_t memory_type, const void* values) {
    const hid_t dataset = H5Dcreate2(file, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Dwrite(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    H5Dclose(dataset);
  };
  const std::array<double, 3> reals{0.1, -2, 3};
  const std::array<std::int32_t, 3> integers{7, -8, 9};
  add("float64", H5T_IEEE_F64BE, H5T_NATIVE_DOUBLE, reals.data());  // the other byte order, on purpose
  add("int32", H5T_STD_I32BE, H5T_NATIVE_INT32, integers.data());
  add("int64", H5T_STD_I64LE, H5T_NATIVE_INT32, integers.data());
  add("uint32", H5T_STD_U32LE, H5T_NATIVE_INT32, integers.data());
  H5Sclose(space);
  H5Fclose(file);
}

}  // namespace ringworld::test
