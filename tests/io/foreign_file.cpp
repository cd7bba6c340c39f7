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
  const hid_t half = H5Tcopy(H5T_IEEE_F32LE);
  H5Tset_fields(half, 15, 10, 5, 0, 10);
  H5Tset_size(half, 2);
  H5Tset_ebias(half, 15);
  add("float16", half, H5T_NATIVE_DOUBLE, reals.data());
  const hid_t opaque = H5Tcreate(H5T_OPAQUE, 2);
  const std::array<std::uint16_t, 3> brain{0x3f80, 0xc000, 0x4040};
  add("bfloat16", opaque, opaque, brain.data());
  add("int32", H5T_STD_I32BE, H5T_NATIVE_INT32, integers.data());
  add("int64", H5T_STD_I64LE, H5T_NATIVE_INT32, integers.data());
  const std::array<std::uint64_t, 3> large{7, std::uint64_t{1} << 63U, 9};
  add("uint64", H5T_STD_U64LE, H5T_NATIVE_UINT64, large.data());
  const hid_t truth = H5Tenum_create(H5T_NATIVE_INT8);
  const std::array<std::int8_t, 3> truths{1, 0, 1};
  H5Tenum_insert(truth, "FALSE", &truths[1]);
  H5Tenum_insert(truth, "TRUE", truths.data());
  add("bool", truth, truth, truths.data());
  const hid_t pair = H5Tcreate(H5T_COMPOUND, 2 * sizeof(float));
  H5Tinsert(pair, "r", 0, H5T_NATIVE_FLOAT);
  H5Tinsert(pair, "i", sizeof(float), H5T_NATIVE_FLOAT);
  const std::array<float, 6> zeros{};
  add("complex", pair, pair, zeros.data());

  const auto attach = [&](const char* name, hid_t type, hid_t extent_of_it, const void* value) {
    const hid_t attribute = H5Acreate2(file, name, type, extent_of_it, H5P_DEFAULT, H5P_DEFAULT);
    if (value != nullptr) {
      H5Awrite(attribute, type, value);
    }
    H5Aclose(attribute);
  };
  const hid_t scalar = H5Screate(H5S_SCALAR);
  const hid_t none = H5Screate(H5S_NULL);
  const hsize_t one_extent = 1;
  const hsize_t two_extent = 2;
  const hid_t one = H5Screate_simple(1, &one_extent, nullptr);
  const hid_t two = H5Screate_simple(1, &two_extent, nullptr);
  const hid_t text = H5Tcopy(H5T_C_S1);
  H5Tset_size(text, 12);
  H5Tset_strpad(text, H5T_STR_NULLPAD);
  attach("fixed_text", text, scalar, "half_split\0\0");
  H5Tset_strpad(text, H5T_STR_SPACEPAD);
  attach("padded_text", text, one, "half_split  ");
  const std::int16_t number = 101;
  attach("one_number", H5T_NATIVE_INT16, one, &number);
  const std::array<float, 2> some{0.5F, 2};
  attach("real_list", H5T_NATIVE_FLOAT, two, some.data());
  attach("truth_list", truth, two, truths.data());
  attach("nothing", H5T_NATIVE_FLOAT, none, nullptr);
  attach("pair", pair, scalar, zeros.data());
  for (const hid_t type : {half, opaque, truth, pair, text}) {
    H5Tclose(type);
  }
  for (const hid_t extent_of_it : {scalar, none, one, two}) {
    H5Sclose(extent_of_it);
  }
  H5Sclose(space);
  H5Fclose(file);
}

}  // namespace ringworld::test
