"""Report pages and regression checks from the HDF5 records of Ringworld.

The package reads HDF5, and for rooflines the JSON of the benchmark programs, and nothing else: it neither imports nor
calls the C++ program that wrote the records.
"""

__version__ = "0.1.0"
