import ChoraleCLI
import Glibc

// Few threads allocate here, and each arena of glibc's keeps memory of its own: two instead of eight
// for each core.
mallopt(M_ARENA_MAX, 2)

exit(Program.run(Array(CommandLine.arguments.dropFirst())))
