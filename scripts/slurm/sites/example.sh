# shellcheck shell=bash
# What is particular to one machine; copy it to sites/<machine>.sh and name that file in RINGWORLD_SITE.
# Account and partition belong here, or on the command line of sbatch, and nowhere else.

# Read by sbatch itself, so export them before the submission:  source scripts/slurm/sites/<machine>.sh
export SBATCH_ACCOUNT="${SBATCH_ACCOUNT:-my_account}"
export SBATCH_PARTITION="${SBATCH_PARTITION:-my_partition}"

# Run in the job, before the program starts.
ringworld_load_modules() {
  module purge
  module load gcc cmake ninja openmpi hdf5 openblas
}

# How srun talks to the MPI library: `srun --mpi=list` shows what there is (Open MPI: pmix; MPICH, Cray, Intel: pmi2).
export RINGWORLD_SRUN_MPI="${RINGWORLD_SRUN_MPI:-pmix}"
