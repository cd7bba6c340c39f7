#include "io/hdf5/parallel.hpp"

#include "comm/native_handle.hpp"

#ifndef H5_HAVE_PARALLEL
#error "checkpoints need a parallel HDF5: install libhdf5-openmpi-dev, or load an hdf5 module built with +mpi"
#endif

namespace ringworld::hdf5 {

PropertyList parallel_access(const Communicator& communicator) {
  PropertyList access(check(H5Pcreate(H5P_FILE_ACCESS), "file access"));
  const MPI_Comm native = MPI_Comm_f2c(native_handle(communicator));
  check(H5Pset_fapl_mpio(access.get(), native, MPI_INFO_NULL), "file access");
  // One rank reads the file's structure for all; without it every rank would.
  check(H5Pset_all_coll_metadata_ops(access.get(), true), "file access");
  return access;
}

PropertyList collective_transfer() {
  PropertyList transfer(check(H5Pcreate(H5P_DATASET_XFER), "transfer"));
  check(H5Pset_dxpl_mpio(transfer.get(), H5FD_MPIO_COLLECTIVE), "transfer");
  return transfer;
}

}  // namespace ringworld::hdf5
