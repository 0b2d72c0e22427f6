import Autograd
internal import CKernels
import Kernels

/// All trainable parameters of an optimiser and what it remembers of each, cut into pieces for parallel passes.
@safe final class ParameterPieces<Scalar: TensorScalar> {
  let backend: Backend
  private let parameters: [NamedParameter<Scalar>]
  /// The optimiser's tensors, by name: one block per parameter.
  private let moments: [(name: String, blocks: [PersistentBlock])]
  private let groups: [ParameterGroup<Scalar>]
  /// Made at the first pass, or by `reserve()`: until then no memory is taken.
  private var cut: Pieces?

  /// INVARIANT: every piece points into a parameter and blocks that the owner of this keeps alive; one sum for each.
  @safe private final class Pieces {
    let pieces: UnsafeMutableBufferPointer<ck_piece>
    let sums: UnsafeMutableBufferPointer<Double>

    init(_ list: [ck_piece]) {
      unsafe pieces = UnsafeMutableBufferPointer.allocate(capacity: list.count)
      unsafe _ = pieces.initialize(from: list)
      unsafe sums = UnsafeMutableBufferPointer.allocate(capacity: list.count)
      unsafe sums.initialize(repeating: 0)
    }

    deinit {
      unsafe pieces.deallocate()
      unsafe sums.deallocate()
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
    var list: [ck_piece] = unsafe [], index = 0
    for group in groups {
      for named in group.parameters {
        let whole = unsafe ck_piece(
          value: named.parameter.values.baseAddress!, gradient: named.parameter.gradientValues.baseAddress!,
          moment1: moments.first?.blocks[index].start, moment2: moments.dropFirst().first?.blocks[index].start,
          count: named.parameter.count, weight_decay: group.weightDecay, rate_factor: group.learningRateFactor)
        unsafe whole.cut(elementSize: MemoryLayout<Scalar>.size) { unsafe list.append($0) }
        index += 1
      }
    }
    let pieces = unsafe Pieces(list)
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
    let pieces = unsafe cutPieces().pieces, count = pieces.count
    guard let start = pieces.baseAddress, count > 0 else { return }
    let grain = max(1, count / (backend.pool.threadCount * 8))
    unsafe backend.run(arguments(start), Scalar.elementType, count: count, grain: grain)
  }

  /// Gradients that the last backward did not reach become zero.
  func refreshGradients() {
    for named in parameters { unsafe _ = named.parameter.gradientValues }
  }

  // MARK: State

  /// All of a parameter's tensors, then the next one's.
  var list: [OptimizerMoment<Scalar>] {
    parameters.enumerated().flatMap { index, named in
      moments.map { name, blocks in
        OptimizerMoment(key: named.path + "/" + name, shape: named.parameter.shape, block: blocks[index])
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
    for (block, tensor) in found { unsafe _ = values(block, tensor.count).update(from: tensor.elements) }
  }

  private func values(_ block: PersistentBlock, _ count: Int) -> UnsafeMutableBufferPointer<Scalar> {
    // INVARIANT: the block was made for `count` elements of Scalar.
    unsafe UnsafeMutableBufferPointer(start: block.start.assumingMemoryBound(to: Scalar.self), count: count)
  }
}
