public import CAutogradKernels
import CAutogradSystem

/// What runs kernels: an instruction set, a thread pool and scratch memory for each of its threads.
///
/// One backend serves one caller at a time (a tape, an optimiser); several may share one pool. The bits of a
/// result depend on the instruction set (in bfloat16 also on `multipliesPairs`), never on the pool.
@safe public final class Backend {
  public let instructionSet: InstructionSet
  public let pool: ThreadPool

  private let float32: ck_table
  private let float64: ck_table
  /// The kernels that multiply pairs of bfloat16, where the instruction set has such products.
  private let pairs: ck_pair_table?
  private var workspace = Workspace()
  /// Where the system has no memory for scratch: stop the program, or leave the kernel out and say so below.
  package var stopsWithoutMemory = true
  /// A kernel was left out; whoever asks for results clears it.
  package var lacksMemory = false

  public init(instructionSet: InstructionSet = .preferred, pool: ThreadPool = .shared) {
    self.instructionSet = min(instructionSet, .widest)
    self.pool = pool
    // INVARIANT: a set that is at most `widest` is compiled in, and its tables are constants.
    var single = unsafe ck_table_for(self.instructionSet.code, 4).pointee
    if self.instructionSet == .avx512, let integers = unsafe ck_widest_integer_table()?.pointee {
      unsafe single.weight_integers = integers.weight_integers
    }
    float32 = single
    unsafe float64 = ck_table_for(self.instructionSet.code, 8).pointee
    unsafe pairs = self.instructionSet == .avx512 ? ck_widest_pair_table()?.pointee : nil
  }

  /// Products in bfloat16 are faster than those in float32.
  public var multipliesPairs: Bool { pairs != nil }

  /// Kernels of `type` at `precision` take their operands in pairs.
  public func usesPairs(_ type: ElementType, _ precision: MatmulPrecision) -> Bool {
    precision == .bfloat16 && type == .float32 && multipliesPairs
  }

  /// While a plan runs, the largest need of scratch memory so far: kernels that ask for some are left out.
  package var plannedWorkspace: Int?

  /// Bytes of scratch memory held for the threads; grows to the largest need and stays.
  public var workspaceBytes: Int { workspace.capacity }

  /// The instruction set's kernels for an element type, copied: `run` takes less time to find one.
  @unsafe public func table(_ type: ElementType) -> ck_table {
    switch type {
    case .float32: float32
    case .float64: float64
    }
  }

  /// The kernel of an argument type, without copying the table.
  func function<Arguments: KernelArguments>(
    of _: Arguments.Type, _ type: ElementType, _ precision: MatmulPrecision = .float32
  ) -> ck_function {
    if usesPairs(type, precision), let pairs, let function = unsafe Arguments.pairFunction(in: pairs) {
      return unsafe function
    }
    return switch type {
    case .float32: unsafe Arguments.function(in: float32)
    case .float64: unsafe Arguments.function(in: float64)
    }
  }

  /// The vector code of an optimiser's rule.
  @unsafe package func update(_ kind: ck_update_kind, _ type: ElementType) -> ck_update {
    unsafe withUnsafePointer(to: type == .float32 ? float32 : float64) { unsafe ck_update_of($0, kind) }
  }

  // MARK: Running kernels

  /// Runs a kernel over `count` units, `grain` units at a time, with `scratch` bytes for each thread.
  @unsafe public func run<Arguments: KernelArguments>(
    _ arguments: Arguments, _ type: ElementType, count: Int, grain: Int, multiple: Int = 1, scratch: Int = 0,
    precision: MatmulPrecision = .float32
  ) {
    let function = unsafe function(of: Arguments.self, type, precision)
    var memory = unsafe Scratch(base: nil, stride: 0)
    if scratch > 0 {
      if plannedWorkspace != nil { return plan(Workspace.bytes(perThread: scratch, threads: pool.threadCount)) }
      guard let found = unsafe workspace.perThread(bytes: scratch, threads: pool.threadCount) else {
        return reportNoMemory(scratch)
      }
      unsafe memory = unsafe found
    }
    unsafe withUnsafePointer(to: arguments) { pointer in
      unsafe pool.run(function, UnsafeRawPointer(pointer), count: count, grain: max(1, grain), multiple: multiple,
        scratch: memory)
    }
  }

  /// Runs an element-wise kernel over `count` elements, cut at multiples of 64.
  @unsafe public func runElements<Arguments: KernelArguments>(
    _ arguments: Arguments, _ type: ElementType, count: Int, cost: Int = 1
  ) {
    unsafe run(
      arguments, type, count: count, grain: max(count / (pool.threadCount * 4), 16384 / cost), multiple: 64)
  }

  /// Runs a row kernel over `count` rows of `columns` elements.
  @unsafe public func runRows<Arguments: KernelArguments>(
    _ arguments: Arguments, _ type: ElementType, count: Int, columns: Int
  ) {
    unsafe run(
      arguments, type, count: count, grain: max(count / (pool.threadCount * 4), 4096 / max(1, columns)))
  }

  /// Runs a kernel of an optimiser over `count` pieces of parameters.
  @unsafe public func runPieces<Arguments: KernelArguments>(
    _ arguments: Arguments, _ type: ElementType, count: Int
  ) {
    unsafe run(arguments, type, count: count, grain: max(1, count / (pool.threadCount * 8)))
  }

  /// Takes scratch memory and touches it, so that no kernel has to.
  ///
  /// - Returns: Whether the system had it.
  package func reserve(workspaceBytes: Int) -> Bool {
    guard workspaceBytes > 0 else { return true }
    guard let base = unsafe workspace.reserve(workspaceBytes) else { return false }
    unsafe csystem_touch(base, workspace.capacity)
    return true
  }

  private func plan(_ bytes: Int) { plannedWorkspace = max(plannedWorkspace ?? 0, Workspace.rounded(bytes)) }

  private func reportNoMemory(_ bytes: Int) {
    if stopsWithoutMemory { fatalError("out of memory: the kernels' workspace needs \(bytes) bytes per thread") }
    lacksMemory = true
  }

  /// Memory that all threads may read, after the private scratch of each: see `Backend.multiply`. Nil where the
  /// system has none and that does not stop the program.
  @unsafe func shared(bytes: Int, perThread: Int) -> (shared: UnsafeMutableRawPointer, scratch: Scratch)? {
    let stride = (perThread + 127) / 128 * 128, total = bytes + 128 + stride * pool.threadCount
    if plannedWorkspace != nil {
      plan(total)
      return nil
    }
    guard let base = unsafe workspace.reserve(total) else {
      reportNoMemory(bytes)
      return nil
    }
    let start = (bytes + 127) / 128 * 128
    return unsafe (base, Scratch(base: base + start, stride: stride))
  }
}

/// One mapping that grows to the largest need.
@safe struct Workspace: ~Copyable {
  private var base: UnsafeMutableRawPointer?
  private(set) var capacity = 0

  /// At least `bytes` bytes, page aligned; nil where the system has none. Earlier pointers are void.
  @unsafe mutating func reserve(_ bytes: Int) -> UnsafeMutableRawPointer? {
    if bytes > capacity {
      release()
      let rounded = Workspace.rounded(bytes)
      guard let mapped = unsafe csystem_map(rounded, 0) else { return nil }
      unsafe base = mapped
      capacity = rounded
    }
    return unsafe base
  }

  @unsafe mutating func perThread(bytes: Int, threads: Int) -> Scratch? {
    let stride = (bytes + 127) / 128 * 128
    guard let base = unsafe reserve(Workspace.bytes(perThread: bytes, threads: threads)) else { return nil }
    return unsafe Scratch(base: base, stride: stride)
  }

  /// What scratch memory for each thread comes to, on cache lines of its own.
  static func bytes(perThread bytes: Int, threads: Int) -> Int { (bytes + 127) / 128 * 128 * threads }

  /// What is mapped where `bytes` bytes are needed.
  static func rounded(_ bytes: Int) -> Int { (bytes + 65535) / 65536 * 65536 }

  private mutating func release() {
    if let base = unsafe base { unsafe csystem_unmap(base, capacity) }
    unsafe base = nil
    capacity = 0
  }

  deinit {
    if let base = unsafe base { unsafe csystem_unmap(base, capacity) }
  }
}
