import CAutogradKernels
import AutogradKernels

// Classifier and cross-entropy in one: logits u = x·Wᵀ, W [V, C], then the loss of CrossEntropy.swift, with a cap and a
// term more:
//   z = c · tanh(u / c), a soft cap;   loss = Σ w · (l − z[target] + λ · l²) / n with l = log Σ exp(z), the z-loss;
//   dz = w · (softmax(z) · (1 + 2λl) − onehot) / n,   du = dz · (1 − (z / c)²).
//
// The rows are taken in chunks. While recording, each chunk's logits are turned into their gradient at once, and
// from it come dx and the chunk's contribution to dW: the [rows, V] logits never exist.
// 2·rows·V·C flops without recording, 6·rows·V·C with it; backward costs next to nothing.
//
// The contributions are those of the expected seed gradient e, 1 unless told otherwise. For another seed s backward
// scales dx and adds (s − e) times the contributions of a seed of 1 to dW, by computing the chunks' logits again: as
// slow as forward, but right.
//
// A loss whose backward never comes has still written to dW: where gradients are completed without it, the end
// of the step says so.
//
// Without an expected seed, and for the losses of single targets, whose seeds nobody expects, forward computes losses
// alone, and backward each chunk's logits once more, with dx and dW: 8·rows·V·C flops together, and no gradient changes
// before its backward.
//
// INVARIANT: as in TapeCore+Kernels.swift; a chunk's rows lie inside those of x, targets inside the vocabulary, which
// `checkTokens` makes sure of.

package extension TapeCore {
  /// Rows per chunk: 256, or as many times that as keep a chunk within 2¹⁸ logits. A chunk's products go on with the
  /// chains of the one before, so its size cannot be seen in them.
  private static func chunkRows(_ vocabulary: Int) -> Int { max(1, (1 << 18) / max(1, vocabulary) / 256) * 256 }

  func linearCrossEntropy(
    _ x: Slot, weight: Slot, _ targets: Slot, ignoring: Int32?, weights: Slot = -1, softCap: Double? = nil,
    zLoss: Double = 0, expectedSeed: Double? = 1
  ) throws(Misuse) -> Slot {
    let operation: StaticString = "linearCrossEntropy"
    if let expectedSeed, !expectedSeed.isFinite || expectedSeed == 0 {
      throw Misuse(operation, "an expected seed of \(expectedSeed)", hint: "leave it out, or give what backward gets")
    }
    guard zLoss.isFinite, zLoss >= 0 else {
      throw Misuse(
        operation, "a z-loss of \(zLoss)", hint: "give a finite factor that is not negative; 0 leaves it out")
    }
    try checkLogits(x, weight, targets, softCap, operation)
    guard !isRecording || surroundings == nil || expectedSeed == nil else {
      throw Misuse(
        operation,
        "it stands inside a part that is recomputed, and computes gradients in forward: they would count twice",
        hint: "leave the loss outside of the part")
    }
    try checkTokens(targets, below: nodes[weight].shape[0], ignoring: ignoring, operation)
    let divisor = try lossDivisor(targets, ignoring, weights: weights, operation)
    let y = try result(Shape(), operation, of: x, weight)
    let shape = nodes[x].shape, rows = shape.rows, mark = arena.mark()
    let losses = unsafe try rowLosses(rows, operation)
    var chunks = unsafe Chunks(
      x: x, weight: weight, targets: targets, weights: weights, ignoring: Int(ignoring ?? .min), softCap: softCap ?? 0,
      zLoss: zLoss, losses: losses, scale: nil)
    let integers = chunks.integers(isWhole: expectedSeed == nil)
    if isRecording, requiresGradient(y), let expectedSeed {
      // dx waits here for backward; it becomes the gradient of x, or is added to it.
      var dx: Contribution? = nil
      if requiresGradient(x) { dx = unsafe Contribution(target: try allocateGradient(shape, operation), adds: false) }
      // The logits' product comes before anything is written to dW.
      let dW = unsafe try contribution(to: weight, operation, appliesUpdate: false)
      if dW != nil { openLosses += 1 }
      chunks.scale = expectedSeed / divisor
      unsafe try run(chunks, dx: dx, dW: dW, operation)
      unsafe setElement(data(y), to: total(losses, rows) / divisor)
      unsafe record(
        .linearCrossEntropy, x, weight, targets, weights, output: y,
        saved: [dx?.target, UnsafeMutableRawPointer(losses), nil], integers: integers, scalars: [expectedSeed, divisor])
    } else {
      unsafe try run(chunks, dx: nil, dW: nil, operation)
      unsafe setElement(data(y), to: total(losses, rows) / divisor)
      unsafe record(
        .linearCrossEntropy, x, weight, targets, weights, output: y,
        saved: [nil, UnsafeMutableRawPointer(losses), nil], integers: integers, scalars: [0, divisor])
      if !isRecording { arena.rewind(to: mark) }
    }
    return y
  }

  private func checkLogits(
    _ x: Slot, _ weight: Slot, _ targets: Slot, _ softCap: Double?, _ operation: StaticString
  ) throws(Misuse) {
    let shape = nodes[x].shape, w = nodes[weight].shape
    guard w.rank == 2, shape.rank >= 1, w[1] == shape.last else {
      throw Misuse(
        operation, "x has shape \(shape), so weight must be [vocabulary, \(shape.last)]; got \(w)",
        hint: "weights are stored [output, input]")
    }
    guard nodes[targets].shape == shape.droppingLast() else {
      throw Misuse(operation, "x \(shape) wants targets \(shape.droppingLast()); got \(nodes[targets].shape)")
    }
    if let softCap, !softCap.isFinite || softCap <= 0 {
      throw Misuse(operation, "a soft cap of \(softCap)", hint: "give a finite number above 0, or leave it out")
    }
  }

  /// The loss of each target.
  func linearCrossEntropyLosses(
    _ x: Slot, weight: Slot, _ targets: Slot, ignoring: Int32?, softCap: Double?
  ) throws(Misuse) -> Slot {
    let operation: StaticString = "linearCrossEntropyLosses"
    try checkLogits(x, weight, targets, softCap, operation)
    try checkTokens(targets, below: nodes[weight].shape[0], ignoring: ignoring, operation)
    let y = try result(nodes[targets].shape, operation, of: x, weight)
    let rows = nodes[x].shape.rows, mark = arena.mark()
    let losses = unsafe try rowLosses(rows, operation)
    let chunks = unsafe Chunks(
      x: x, weight: weight, targets: targets, weights: -1, ignoring: Int(ignoring ?? .min), softCap: softCap ?? 0,
      zLoss: 0, losses: losses, scale: nil)
    unsafe try run(chunks, dx: nil, dW: nil, operation)
    if !isPlanning {
      for row in 0..<rows { unsafe setElement(data(y), row, to: losses[row]) }
    }
    unsafe record(
      .linearCrossEntropyLosses, x, weight, targets, -1, output: y, saved: [nil, UnsafeMutableRawPointer(losses), nil],
      integers: chunks.integers(isWhole: true))
    if !isRecording { arena.rewind(to: mark) }
    return y
  }

  func linearCrossEntropyBackward(_ record: Record) throws(Misuse) {
    let operation: StaticString = "linearCrossEntropy"
    if record.integers[2] == 1 {
      let scale = unsafe element(gradient(of: record.output)) / record.scalars[1]
      return unsafe try wholeBackward(record, scale: scale, seeds: nil, operation)
    }
    let x = record.inputs[0], weight = record.inputs[1], shape = nodes[x].shape
    let seed = unsafe element(gradient(of: record.output)), expected = record.scalars[0]
    if let dW = unsafe try contribution(to: weight, operation), let losses = unsafe record.saved[1] {
      openLosses -= 1
      let chunks = unsafe Chunks(
        of: record, losses: losses.assumingMemoryBound(to: Double.self), scale: (seed - expected) / record.scalars[1])
      if seed == expected {
        // A plan cannot know the seed: it counts the memory of the other way, so this way takes it too.
        let logits = logitsShape(chunks)
        unsafe free(try allocateGradient(logits, operation), logits)
      } else {
        try checkUnchanged(record, inputs: Chunks.inputsRead)
        unsafe try run(chunks, dx: nil, dW: dW, operation)
      }
    }
    guard let dx = unsafe record.saved[0] else { return }
    if unsafe nodes[x].gradient == nil && nodes[x].parameter == nil {
      try checkUnwalked(x)
      unsafe nodes[x].gradient = unsafe dx
      if seed != expected {
        unsafe copy(dx, to: dx, count: shape.count, scale: seed / expected, accumulate: false)
      }
    } else if let target = unsafe try contribution(to: x, operation) {
      unsafe copy(dx, to: target.target, count: shape.count, scale: seed / expected, accumulate: target.adds)
      unsafe free(dx, shape)
    }
  }

  func linearCrossEntropyLossesBackward(_ record: Record) throws(Misuse) {
    unsafe try wholeBackward(record, scale: 1, seeds: gradient(of: record.output), "linearCrossEntropyLosses")
  }

  /// The backward of losses that computed no gradient before.
  ///
  /// - Parameter seeds: That of each row, beside `scale`.
  @unsafe private func wholeBackward(
    _ record: Record, scale: Double, seeds: UnsafeRawPointer?, _ operation: StaticString
  ) throws(Misuse) {
    let x = record.inputs[0], weight = record.inputs[1], count = nodes[x].shape.count
    guard let losses = unsafe record.saved[1] else { return }
    try checkUnchanged(record, inputs: Chunks.inputsRead)
    var dx = unsafe try contribution(to: x, operation)
    let dW = unsafe try contribution(to: weight, operation)
    // Where x is the weight, chunks of rows of dx and sums over all rows meet: both add then.
    if let first = dx, unsafe first.target == dW?.target {
      unsafe clear(first, count: count)
      unsafe dx = Contribution(target: first.target, adds: true)
    }
    var chunks = unsafe Chunks(of: record, losses: losses.assumingMemoryBound(to: Double.self), scale: scale)
    unsafe chunks.seeds = unsafe seeds
    unsafe try run(chunks, dx: dx, dW: dW, operation)
  }

  /// What every chunk needs; `scale` turns softmax − onehot into a gradient, nil computes losses only.
  @safe private struct Chunks {
    let x, weight, targets, weights: Slot
    let ignoring: Int
    /// 0 where there is none, both.
    let softCap, zLoss: Double
    let losses: UnsafeMutablePointer<Double>
    var scale: Double?
    /// What each row counts, of the scalar type, in the place of weights.
    var seeds: UnsafeRawPointer?

    /// A record's inputs that its backward may read: all but the targets, as bits.
    static var inputsRead: UInt8 { 0b1011 }

    init(
      x: Slot, weight: Slot, targets: Slot, weights: Slot, ignoring: Int, softCap: Double, zLoss: Double,
      losses: UnsafeMutablePointer<Double>, scale: Double?
    ) {
      (self.x, self.weight, self.targets, self.weights) = (x, weight, targets, weights)
      (self.ignoring, self.softCap, self.zLoss, self.scale) = (ignoring, softCap, zLoss, scale)
      unsafe self.losses = unsafe losses
    }

    init(of record: Record, losses: UnsafeMutablePointer<Double>, scale: Double?) {
      unsafe self.init(
        x: record.inputs[0], weight: record.inputs[1], targets: record.inputs[2], weights: record.inputs[3],
        ignoring: record.integers[0], softCap: Double(bitPattern: UInt64(bitPattern: Int64(record.integers[1]))),
        zLoss: Double(bitPattern: UInt64(bitPattern: Int64(record.integers[3]))), losses: losses, scale: scale)
    }

    /// What a record keeps of it. `isWhole`: backward computes everything.
    func integers(isWhole: Bool) -> InlineArray<4, Int> {
      [ignoring, Int(bitPattern: UInt(softCap.bitPattern)), isWhole ? 1 : 0, Int(bitPattern: UInt(zLoss.bitPattern))]
    }
  }

  /// Rows of logits, each on cache lines of its own.
  private func logitsShape(_ chunks: Chunks) -> Shape {
    let V = nodes[chunks.weight].shape[0], perLine = 64 / type.size, spacing = (V + perLine - 1) / perLine * perLine
    let rows = min(nodes[chunks.x].shape.rows, TapeCore.chunkRows(V))
    return Shape([rows, spacing] as InlineArray<2, Int>)
  }

  @unsafe private func run(
    _ chunks: Chunks, dx: Contribution?, dW: Contribution?, _ operation: StaticString
  ) throws(Misuse) {
    let rows = nodes[chunks.x].shape.rows, C = nodes[chunks.x].shape.last, V = nodes[chunks.weight].shape[0]
    let logitsShape = logitsShape(chunks), spacing = logitsShape.last
    // Without recording the caller rewinds the arena: a block of it must not go to the step's free ones.
    let logits =
      isRecording
      ? unsafe try allocateGradient(logitsShape, operation)
      : unsafe try allocate(logitsShape.count * type.size, logitsShape, operation)
    if rows == 0 {
      // No product applies a deferred update, and that needs the gradient as it is.
      unsafe _ = data(chunks.weight)
      unsafe clear(dW, count: V * C)
    }
    let chunkRows = TapeCore.chunkRows(V)
    for first in stride(from: 0, to: rows, by: chunkRows) {
      let count = min(chunkRows, rows - first), offset = first * C * type.size
      let xView = unsafe MatrixView(data(chunks.x) + offset, rowStride: C, columnStride: 1)
      unsafe multiply(m: count, n: V, k: C, xView, byWeight: chunks.weight, into: logits, yStride: spacing)
      let arguments = unsafe ck_cross_entropy(
        x: logits, gradient: chunks.scale == nil ? nil : logits, losses: chunks.losses + first,
        targets: tokenData(chunks.targets) + first,
        weights: (chunks.seeds ?? UnsafeRawPointer(optionalData(chunks.weights))).map { unsafe $0 + first * type.size },
        columns: V, x_stride: spacing,
        ignore: Int32(chunks.ignoring), accumulate: 0, scale: chunks.scale ?? 0, soft_cap: chunks.softCap,
        z_loss: chunks.zLoss)
      unsafe runRows(arguments, count: count, columns: V)
      let gradient = unsafe MatrixView(logits, rowStride: spacing, columnStride: 1)
      if let dx = dx {
        let part = unsafe Contribution(target: dx.target + offset, adds: dx.adds)
        unsafe multiply(m: count, n: V, k: C, gradient, throughWeight: chunks.weight, into: part)
      }
      if let dW = dW {
        unsafe multiply(
          m: V, n: C, k: count, gradient.transposed, xView, into: dW.target, cStride: C,
          accumulate: dW.adds || first > 0, sumsOverRows: true, inOneChain: true)
      }
    }
    if isRecording { unsafe free(logits, logitsShape) }
  }
}

extension Variable {
  /// The mean negative log-likelihood of `targets` under softmax of x·Wᵀ, in nats, without ever making the logits.
  ///
  /// While recording, the gradients with respect to x and W are computed at once; `backward` hands them on. So a
  /// loss that is not to be learnt from belongs inside `tape.inference`: a step in which another loss has its
  /// backward and this one has not stops at its end. Use `linear` and `crossEntropy` where the logits themselves
  /// are wanted.
  ///
  /// Targets equal to `ignoring` count neither in the sum nor in the mean; if all are ignored the loss is NaN. With
  /// `weights` it is the mean by them, of the z-loss too: a weight of 0 masks a target, and if all are 0 the loss is 0,
  /// with gradients of zeros.
  ///
  /// Shapes: `self` [..., C], `weight` [V, C], `targets` [...], `weights` [...] → [].
  /// Formula: z = c · tanh(x·Wᵀ / c) with the soft cap c; loss = Σ w · (l − z[target] + λ · l²) / Σ w with the z-loss λ
  /// and l = log Σ exp(z).
  ///
  /// - Parameters:
  ///   - weights: What each target counts. They get no gradient.
  ///   - softCap: The bound that logits approach; nil leaves them as they are.
  ///   - zLoss: How much the square of the softmax's normaliser counts; it keeps logits from growing.
  ///   - expectedSeed: The seed that `backward` will get. Another one is right too, but slow.
  /// - Precondition: Every target lies in 0..<V or equals `ignoring`; every weight is finite and not negative;
  ///   otherwise stops and names it.
  /// - Complexity: 6·rows·V·C flops while recording, 2·rows·V·C otherwise; memory for 256 rows of logits,
  ///   or 2¹⁸ logits where those are more rows.
  /// - SeeAlso: De Brébisson and Vincent, "The Z-loss", 2016, and Chowdhery et al., "PaLM", 2022, for the z-loss; Gemma
  ///   Team, "Gemma 2", 2024, for the soft cap.
  public func linearCrossEntropy(
    _ weight: some Operand<Scalar>, _ targets: Tokens, ignoring: Int32? = nil, weights: (any Operand<Scalar>)? = nil,
    softCap: Double? = nil, zLoss: Double = 0, expectedSeed: Scalar = 1
  ) -> Variable {
    apply("linearCrossEntropy") { c, x throws(Misuse) in
      try c.refuseAdapter(weight, "linearCrossEntropy")
      return try c.linearCrossEntropy(
        x, weight: try weight.weightPlace(c, "linearCrossEntropy"), try c.slot(targets.handle, "linearCrossEntropy"),
        ignoring: ignoring, weights: try c.place(weights, "linearCrossEntropy"), softCap: softCap, zLoss: zLoss,
        expectedSeed: Double(expectedSeed))
    }
  }

  /// The negative log-likelihood of each target under softmax of x·Wᵀ, in nats: `linearCrossEntropy` is its mean.
  ///
  /// 0 where the target equals `ignoring`. Any loss may be made of them; where it is their mean, that operation is faster.
  ///
  /// Shapes: `self` [..., C], `weight` [V, C], `targets` [...] → [...].
  ///
  /// - Precondition: Every target lies in 0..<V or equals `ignoring`; otherwise stops and names it.
  /// - Complexity: 2·rows·V·C flops; memory for 256 rows of logits, or 2¹⁸ logits where those are more rows.
  public func linearCrossEntropyLosses(
    _ weight: some Operand<Scalar>, _ targets: Tokens, ignoring: Int32? = nil, softCap: Double? = nil
  ) -> Variable {
    apply("linearCrossEntropyLosses") { c, x throws(Misuse) in
      try c.refuseAdapter(weight, "linearCrossEntropyLosses")
      return try c.linearCrossEntropyLosses(
        x, weight: try weight.weightPlace(c, "linearCrossEntropyLosses"),
        try c.slot(targets.handle, "linearCrossEntropyLosses"), ignoring: ignoring, softCap: softCap)
    }
  }
}
