import AutogradEngine
internal import CAutogradKernels
import AutogradKernels

/// All trainable parameters of an optimiser and what it remembers of each, cut into pieces for parallel passes.
@safe final class ParameterPieces<Scalar: TensorScalar> {
  let backend: Backend
  private let parameters: [NamedParameter<Scalar>]
  /// The optimiser's tensors, by name: one block per parameter.
  private let moments: [(name: String, blocks: [PersistentBlock])]
  private let groups: [ParameterGroup<Scalar>]
  /// Made at the first pass, or by `reserve()`: until then no memory is taken.
  private var cut: Pieces?

  /// INVARIANT: every piece points into a parameter, which whoever runs a kernel over it keeps alive, and into
  /// `blocks`; one sum for each. A parameter's pieces are those of its range. The first `dueCount` of `due` are copies
  /// of the pieces of all parameters that do not put a step off.
  @safe private final class Pieces {
    let pieces: UnsafeMutableBufferPointer<ck_piece>
    let sums: UnsafeMutableBufferPointer<Double>
    let ranges: [Range<Int>]
    private let blocks: [PersistentBlock]
    private let due: UnsafeMutableBufferPointer<ck_piece>
    private var dueCount = 0
    /// The parameters that are not in `due`; it is stale once that changes.
    private var isPostponed: [Bool]
    private var isStale = false

    init(_ list: [ck_piece], ranges: [Range<Int>], blocks: [PersistentBlock]) {
      unsafe pieces = UnsafeMutableBufferPointer.allocate(capacity: list.count)
      unsafe _ = pieces.initialize(from: list)
      unsafe sums = UnsafeMutableBufferPointer.allocate(capacity: list.count)
      unsafe sums.initialize(repeating: 0)
      unsafe due = UnsafeMutableBufferPointer.allocate(capacity: list.count)
      unsafe _ = due.initialize(from: list)
      dueCount = unsafe list.count
      isPostponed = [Bool](repeating: false, count: ranges.count)
      self.ranges = ranges
      self.blocks = blocks
    }

    func note(_ index: Int, isPostponed: Bool) {
      guard self.isPostponed[index] != isPostponed else { return }
      self.isPostponed[index] = isPostponed
      isStale = true
    }

    /// The pieces of the parameters that put nothing off.
    func duePieces() -> UnsafeMutableBufferPointer<ck_piece> {
      if isStale {
        dueCount = 0
        for index in ranges.indices where !isPostponed[index] {
          for piece in ranges[index] {
            unsafe due[dueCount] = pieces[piece]
            dueCount += 1
          }
        }
        isStale = false
      }
      return unsafe UnsafeMutableBufferPointer(rebasing: due[..<dueCount])
    }

    deinit {
      unsafe pieces.deallocate()
      unsafe sums.deallocate()
      unsafe due.deallocate()
    }
  }

  /// - Parameter momentNames: Up to two tensors to keep for every parameter.
  init(_ groups: [ParameterGroup<Scalar>], momentNames: [String], backend: Backend) {
    self.backend = backend
    self.groups = groups.map { group in
      var trained = group
      trained.parameters = group.parameters.filter(\.parameter.isTrainable)
      return trained
    }
    let parameters = self.groups.flatMap(\.parameters)
    self.parameters = parameters
    moments = momentNames.map { name in
      let size = MemoryLayout<Scalar>.size
      return (name: name, blocks: parameters.map { PersistentBlock(byteCount: $0.parameter.count * size) })
    }
  }

  /// A step that waits holds on to the moments of all.
  deinit { for named in parameters { named.parameter.core.settle() } }

  // MARK: Memory

  var memory: OptimizerMemory {
    OptimizerMemory(
      gradientBytes: parameters.reduce(0) { $0 + max(64, $1.parameter.count * MemoryLayout<Scalar>.size) },
      stateBytes: moments.reduce(0) { $0 + $1.blocks.reduce(0) { $0 + $1.byteCount } })
  }

  func reserve() -> Bool {
    for named in parameters {
      guard named.parameter.reserve(), named.parameter.reserveGradient() else { return false }
    }
    for (_, blocks) in moments {
      for block in blocks { guard block.reserve() else { return false } }
    }
    _ = cutPieces()
    return true
  }

  private func cutPieces() -> Pieces {
    if let cut { return cut }
    var list: [ck_piece] = unsafe [], ranges: [Range<Int>] = [], index = 0
    for group in groups {
      for named in group.parameters {
        let whole = unsafe ck_piece(
          value: named.parameter.currentValues.baseAddress!, gradient: named.parameter.core.currentGradient(),
          moment1: moments.first?.blocks[index].start, moment2: moments.dropFirst().first?.blocks[index].start,
          count: named.parameter.count, weight_decay: group.weightDecay, rate_factor: group.learningRateFactor)
        let first = unsafe list.count
        unsafe whole.cut(elementSize: MemoryLayout<Scalar>.size) { unsafe list.append($0) }
        unsafe ranges.append(first..<list.count)
        index += 1
      }
    }
    let pieces = unsafe Pieces(list, ranges: ranges, blocks: moments.flatMap(\.blocks))
    cut = pieces
    return pieces
  }

  // MARK: Passes

  /// The Euclidean norm of all gradients; its order is that of the pieces, whatever the threads.
  func gradientNorm() -> Double {
    refreshGradients()
    let sums = unsafe cutPieces().sums
    unsafe run { unsafe ck_norm(pieces: $0, sums: sums.baseAddress) }
    var total = 0.0
    for index in sums.indices { unsafe total += sums[index] }
    return total.squareRoot()
  }

  /// Runs a kernel over all pieces.
  ///
  /// INVARIANT: what `arguments` makes of the pieces is used only during the call, in which nobody cuts anew.
  @unsafe func run<Arguments: KernelArguments>(_ arguments: (UnsafePointer<ck_piece>) -> Arguments) {
    unsafe run(over: cutPieces().pieces, arguments)
  }

  /// Runs Adam over all parameters, except for those that put the step off; `rule` has no pieces yet.
  func step(_ rule: ck_adam) {
    let cut = cutPieces()
    for index in parameters.indices {
      let range = cut.ranges[index]
      // INVARIANT: the pieces of the range are the parameter's, and `cut` keeps them.
      var rule = unsafe rule
      unsafe rule.pieces = UnsafePointer(cut.pieces.baseAddress.map { unsafe $0 + range.lowerBound })
      let core = parameters[index].parameter.core, isPostponed = core.mayPostponeSteps && !range.isEmpty
      if isPostponed {
        unsafe core.postpone(
          PostponedStep(rule, count: range.count, owner: cut, backend: backend, Scalar.elementType))
      }
      cut.note(index, isPostponed: isPostponed)
    }
    // INVARIANT: used only during the call.
    unsafe run(over: cut.duePieces()) { pieces in
      var rule = unsafe rule
      unsafe rule.pieces = unsafe pieces
      return unsafe rule
    }
  }

  @unsafe private func run<Arguments: KernelArguments>(
    over pieces: UnsafeMutableBufferPointer<ck_piece>, _ arguments: (UnsafePointer<ck_piece>) -> Arguments
  ) {
    let count = pieces.count
    guard let start = pieces.baseAddress, count > 0 else { return }
    unsafe backend.runPieces(arguments(start), Scalar.elementType, count: count)
  }

  /// Gradients that the last backward did not reach become zero.
  func refreshGradients() {
    for named in parameters { unsafe _ = named.parameter.core.currentGradient() }
  }

  // MARK: State

  /// All of a parameter's tensors, then the next one's.
  var list: [OptimizerMoment<Scalar>] {
    parameters.enumerated().flatMap { index, named in
      moments.map { name, blocks in
        OptimizerMoment(
          key: named.path + "/" + name, shape: named.parameter.shape, block: blocks[index],
          of: named.parameter.core)
      }
    }
  }

  func state(stepCount: Int) -> OptimizerState<Scalar> {
    OptimizerState(
      stepCount: stepCount,
      tensors: list.map { moment in
        (moment.key, Tensor(shape: moment.shape, moment.withValues { values in values.indices.map { values[$0] } }))
      })
  }

  func restore(_ state: OptimizerState<Scalar>) throws(OptimizerStateError) {
    var given = Dictionary(state.tensors.map { ($0.key, $0.tensor) }) { first, _ in first }
    var problems: [String] = []
    var found: [(block: PersistentBlock, tensor: Tensor<Scalar>)] = []
    for (index, named) in parameters.enumerated() {
      for (name, blocks) in moments {
        let key = named.path + "/" + name
        guard let tensor = given.removeValue(forKey: key) else {
          problems.append("\(key) is missing")
          continue
        }
        if tensor.shape.array == named.parameter.shape {
          found.append((blocks[index], tensor))
        } else {
          problems.append("\(key) has shape \(tensor.shape), expected \(named.parameter.shape)")
        }
      }
    }
    for (key, _) in state.tensors where given[key] != nil { problems.append("\(key) is unexpected") }
    guard problems.isEmpty else { throw OptimizerStateError(problems: problems) }
    for named in parameters { named.parameter.core.settle() }
    for (block, tensor) in found { unsafe _ = values(block, tensor.count).update(from: tensor.elements) }
  }

  private func values(_ block: PersistentBlock, _ count: Int) -> UnsafeMutableBufferPointer<Scalar> {
    // INVARIANT: the block was made for `count` elements of Scalar.
    unsafe UnsafeMutableBufferPointer(start: block.start.assumingMemoryBound(to: Scalar.self), count: count)
  }
}
