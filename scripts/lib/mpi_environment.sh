# shellcheck shell=bash
# What `mpirun` needs to run on this machine, whoever is asking: as root, in a container, on too few cores.
# Sourced. A variable that the caller has set is left alone.

cores_available() { nproc; }

# Containers often forbid process_vm_readv, which Open MPI takes for granted when it copies between ranks of a node.
may_read_other_processes() {
  local python=/usr/bin/python3
  [[ -x $python ]] || python=python3
  "$python" - <<'PYTHON' >/dev/null 2>&1
import ctypes, os, signal, sys
class Range(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
source, target = ctypes.create_string_buffer(b"ring", 8), ctypes.create_string_buffer(8)
child = os.fork()
if child == 0:
    signal.pause()
remote = Range(ctypes.addressof(source), 4)
local = Range(ctypes.addressof(target), 4)
copied = ctypes.CDLL(None).process_vm_readv(child, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
sys.exit(copied != 4)
PYTHON
}

# prepare_mpi RANKS: exports the environment for `mpirun -n RANKS` of one-thread ranks.
prepare_mpi() {
  local ranks=$1
  export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
  export OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-1}"
  if ((EUID == 0)); then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  fi
  if (($(cores_available) < ranks)); then
    export OMPI_MCA_rmaps_base_oversubscribe="${OMPI_MCA_rmaps_base_oversubscribe:-1}"
    export OMPI_MCA_hwloc_base_binding_policy="${OMPI_MCA_hwloc_base_binding_policy:-none}"
  fi
  if [[ -z ${OMPI_MCA_btl_vader_single_copy_mechanism:-} ]] && ! may_read_other_processes; then
    export OMPI_MCA_btl_vader_single_copy_mechanism=none
  fi
}
