public import AutogradKernels

/// Runs `body` on every instruction set that this machine has, narrowest first, with one thread.
public func forEachInstructionSet(_ body: (Backend) throws -> Void) rethrows {
  for set in InstructionSet.available { try body(Backend(instructionSet: set, pool: singleThread)) }
}

/// A pool without workers.
public let singleThread = ThreadPool(threads: 1)
