"""The library of network functions and chains, as .nfd files; lib:NAME names one."""
