import AutogradBase
import AutogradEngine
internal import AutogradFormats
internal import CAutogradKernels
import AutogradKernels

/// All trainable parameters of an optimiser and what its rules keep of each, cut into pieces for parallel passes.
@safe final class ParameterPieces<Scalar: TensorScalar> {
  let backend: Backend
  let callers: [RuleCaller<Scalar>]
  private let parameters: [Trained]
  /// Made at the first pass, or by `reserve()`: until then no memory is taken.
  private var cut: CutPieces?

  /// A parameter, the group that it stands in, the place of its rule, and what that keeps: a block for each name.
  private struct Trained {
    let named: NamedParameter<Scalar>
    let weightDecay, learningRateFactor: Double
    let rule: Int
    let states: [PersistentBlock]

    var core: ParameterCore { named.parameter.core }
    var count: Int { named.parameter.count }
  }

  init(_ parts: [RuleOptimizer<Scalar>.Part], backend: Backend) {
    self.backend = backend
    let callers = parts.map { RuleCaller($0.rule, backend: backend) }
    self.callers = callers
    var parameters: [Trained] = [], seen: Set<ObjectIdentifier> = [], paths: Set<String> = []
    for (rule, part) in parts.enumerated() {
      for group in part.groups {
        for (name, value) in [("weight decay", group.weightDecay), ("rate factor", group.learningRateFactor)] {
          guard value >= 0, value.isFinite else {
            fatalError("optimizer: a group's \(name) must be a finite number of at least 0, got \(value)")
          }
        }
        for named in group.parameters where named.parameter.isTrainable {
          guard seen.insert(ObjectIdentifier(named.parameter.core)).inserted else {
            fatalError("optimizer: the parameter \(named.path) was given twice; give each to one group, once")
          }
          guard paths.insert(named.path).inserted else {
            fatalError(
              "optimizer: two parameters are called \(named.path), but states are kept by name; "
                + "list them in one module, or give them paths of their own")
          }
          let bytes = named.parameter.count * MemoryLayout<Scalar>.size
          parameters.append(
            Trained(
              named: named, weightDecay: group.weightDecay, learningRateFactor: group.learningRateFactor, rule: rule,
              states: callers[rule].stateNames.map { _ in PersistentBlock(byteCount: bytes) }))
        }
      }
    }
    self.parameters = parameters
  }

  /// A deferred update holds on to the states of all.
  deinit { for trained in parameters { trained.core.applyDeferredUpdate() } }

  // MARK: Memory

  var memory: OptimizerMemory {
    OptimizerMemory(
      gradientBytes: parameters.reduce(0) { $0 + max(64, $1.count * MemoryLayout<Scalar>.size) },
      stateBytes: parameters.reduce(0) { $0 + $1.states.reduce(0) { $0 + $1.byteCount } })
  }

  func reserve() -> Bool {
    for trained in parameters {
      guard trained.named.parameter.reserve(), trained.named.parameter.reserveGradient() else { return false }
      for block in trained.states { guard block.reserve() else { return false } }
    }
    _ = cutPieces()
    return true
  }

  private func cutPieces() -> CutPieces {
    if let cut { return cut }
    var list: [ck_piece] = unsafe [], ranges: [Range<Int>] = []
    for trained in parameters {
      var states = unsafe InlineArray<4, UnsafeMutableRawPointer?>(repeating: nil)
      for (place, block) in trained.states.enumerated() { unsafe states[place] = unsafe block.start }
      let whole = unsafe ck_piece(
        value: trained.named.parameter.presentValues.baseAddress!, gradient: trained.core.currentGradient(),
        states: states, count: trained.count, weightDecay: trained.weightDecay,
        learningRateFactor: trained.learningRateFactor)
      let first = unsafe list.count
      unsafe whole.cut(elementSize: MemoryLayout<Scalar>.size) { unsafe list.append($0) }
      unsafe ranges.append(first..<list.count)
    }
    let pieces = unsafe CutPieces(
      list, ranges: ranges, rules: parameters.map(\.rule), keeping: parameters.flatMap(\.states) + callers)
    cut = pieces
    return pieces
  }

  // MARK: Passes

  /// The Euclidean norm of all gradients; its order is that of the pieces, whatever the threads.
  func gradientNorm() -> Double {
    refreshGradients()
    let cut = cutPieces(), sums = unsafe cut.sums
    unsafe run(over: cut.pieces) { unsafe ck_norm(pieces: $0, sums: sums.baseAddress) }
    var sum = CompensatedSum()
    for index in sums.indices { unsafe sum.add(sums[index]) }
    return sum.total.squareRoot()
  }

  /// Updates all parameters by their rules; for some weights that is deferred.
  func step(number: Int, learningRate: Double, gradientScale: Double) {
    let cut = cutPieces()
    for place in callers.indices {
      let rule = unsafe callers[place].arguments(step: number, learningRate: learningRate, gradientScale: gradientScale)
      for index in parameters.indices where parameters[index].rule == place {
        unsafe cut.note(index, isDeferred: deferUpdate(of: index, rule, cut))
      }
      // INVARIANT: used only during the call.
      unsafe run(over: cut.duePieces(of: place)) { pieces in
        var rule = unsafe rule
        unsafe rule.pieces = unsafe pieces
        return unsafe rule
      }
    }
  }

  /// Defers a parameter's update where its next reader is likely to be a product; returns whether it did.
  @unsafe private func deferUpdate(of index: Int, _ rule: ck_rule, _ cut: CutPieces) -> Bool {
    let core = parameters[index].core, range = cut.ranges[index]
    core.noteChange()
    guard core.mayDeferUpdates, callers[parameters[index].rule].mayBeDeferred, !range.isEmpty else { return false }
    // INVARIANT: the pieces of the range are the parameter's, and `cut` keeps them.
    var rule = unsafe rule
    unsafe rule.pieces = UnsafePointer(cut.pieces.baseAddress.map { unsafe $0 + range.lowerBound })
    unsafe core.deferUpdate(DeferredUpdate(rule, count: range.count, owner: cut, backend: backend, Scalar.elementType))
    return true
  }

  /// Runs a kernel over pieces.
  ///
  /// INVARIANT: what `arguments` makes of the pieces is used only during the call, in which nobody cuts anew.
  @unsafe private func run<Arguments: KernelArguments>(
    over pieces: UnsafeMutableBufferPointer<ck_piece>, _ arguments: (UnsafePointer<ck_piece>) -> Arguments
  ) {
    let count = pieces.count
    guard let start = pieces.baseAddress, count > 0 else { return }
    unsafe backend.runPieces(arguments(start), Scalar.elementType, count: count)
  }

  func changeGradients<Failure: Error>(
    _ body: (_ path: String, _ gradient: inout MutableSpan<Scalar>) throws(Failure) -> Void
  ) throws(Failure) {
    let clock = parameters.lazy.compactMap(\.core.completedClock).first
    for trained in parameters {
      // INVARIANT: the core's gradient has as many elements as its values, and the optimiser keeps it.
      let start = unsafe trained.core.gradientToChange(clock).assumingMemoryBound(to: Scalar.self)
      var gradient = unsafe MutableSpan(_unsafeStart: start, count: trained.count)
      try body(trained.named.path, &gradient)
    }
  }

  /// Gradients that the last backward did not reach become zero.
  func refreshGradients() {
    for trained in parameters { unsafe _ = trained.core.currentGradient() }
  }

  // MARK: State

  /// All of a parameter's tensors, then the next one's.
  var list: [OptimizerMoment<Scalar>] {
    parameters.flatMap { trained in
      zip(callers[trained.rule].stateNames, trained.states).map { name, block in
        OptimizerMoment(
          key: trained.named.path + "/" + name, shape: trained.named.parameter.shape, block: block, of: trained.core)
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
    var comparison = TensorComparison(state.tensors.map { ($0.key, $0.tensor.shape.array) })
    let given = Dictionary(state.tensors.map { ($0.key, $0.tensor) }) { first, _ in first }
    var found: [(block: PersistentBlock, tensor: Tensor<Scalar>)] = []
    for trained in parameters {
      for (name, block) in zip(callers[trained.rule].stateNames, trained.states) {
        let key = comparison.take(trained.named.path + "/" + name, shape: trained.named.parameter.shape)
        if let tensor = key.flatMap({ given[$0] }) { found.append((block, tensor)) }
      }
    }
    comparison.noteRest()
    guard comparison.problems.isEmpty else { throw OptimizerStateError(problems: comparison.problems) }
    for trained in parameters { trained.core.applyDeferredUpdate() }
    for (block, tensor) in found { unsafe _ = values(block, tensor.count).update(from: tensor.elements) }
  }

  private func values(_ block: PersistentBlock, _ count: Int) -> UnsafeMutableBufferPointer<Scalar> {
    // INVARIANT: the block was made for `count` elements of Scalar.
    unsafe UnsafeMutableBufferPointer(start: block.start.assumingMemoryBound(to: Scalar.self), count: count)
  }
}
