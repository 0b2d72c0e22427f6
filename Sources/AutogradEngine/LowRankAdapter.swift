/// A change of low rank to a weight that stays as it is ("LoRA"): x·Wᵀ becomes x·Wᵀ + Σ s·(x·Aᵀ)·Bᵀ, with
/// A [rank, inputs] and B [rows, rank].
///
/// Give it to a weight (`Parameter.adapt`), which `linear` and `gatedLinear` then apply with it: the weight may be a
/// stored one, frozen and quantised, and only A and B are learned. A part may concern some rows of the weight alone, since
/// layers hold several projections in one; parts of the same rows add up.
///
/// - SeeAlso: Hu et al., "LoRA", 2021; Dettmers et al., "QLoRA", 2023; Kalajdzievski, "A Rank Stabilization Scaling
///   Factor", 2023, for s = α/√rank.
public final class LowRankAdapter<Scalar: TensorScalar> {
  /// A pair of factors, and the rows of the weight that it changes.
  public struct Part {
    /// A [rank, inputs]
    public let down: Parameter<Scalar>
    /// B [rows, rank]
    public let up: Parameter<Scalar>
    /// s, mostly α/rank.
    public let scale: Double
    /// The row of the weight that B's first one changes, and from each to the next.
    public let firstRow, rowStep: Int

    public init(
      down: Parameter<Scalar>, up: Parameter<Scalar>, scale: Double, firstRow: Int = 0, rowStep: Int = 1
    ) {
      (self.down, self.up, self.scale) = (down, up, scale)
      (self.firstRow, self.rowStep) = (firstRow, rowStep)
    }

    public var rank: Int { down.shape[0] }
    /// How many rows of the weight it changes.
    public var rowCount: Int { up.shape[0] }
  }

  public let parts: [Part]
  public let outputs, inputs: Int
  /// The share of x that falls before it is multiplied with A, while recording.
  public let dropout: Double
  /// Rows that alternate between parts; 1 where each part has rows one behind the other.
  private let rowStep: Int
  /// The ranges of rows that parts change, or the rows at which they begin where they alternate, in order.
  private let bands: [Band]

  /// Rows of the weight, and which parts change them.
  private struct Band {
    let firstRow, rowCount: Int
    let parts: [Int]
  }

  /// - Parameter weight: [outputs, inputs], the shape of the weight.
  /// - Precondition: Every part fits the weight, all have rows one behind the other or all alternate with the same step,
  ///   and the ranges of two parts are the same or apart; otherwise stops and says what does not fit.
  public init(_ parts: [Part], of weight: [Int], dropout: Double = 0) {
    guard weight.count == 2, let step = parts.first?.rowStep, step > 0, weight[0] % step == 0 else {
      fatalError("LowRankAdapter: \(parts.count) parts for a weight of shape \(weight)")
    }
    (self.parts, outputs, inputs, self.dropout, rowStep) = (parts, weight[0], weight[1], dropout, step)
    for part in parts {
      let down = part.down.shape, up = part.up.shape
      guard down.count == 2, up.count == 2, down[1] == weight[1], up[1] == down[0], part.rowStep == step,
        part.firstRow >= 0, up[0] > 0, part.firstRow + (up[0] - 1) * step < weight[0],
        step == 1 || up[0] == weight[0] / step && part.firstRow < step
      else {
        fatalError(
          "LowRankAdapter: factors \(down) and \(up) from row \(part.firstRow) on, by \(part.rowStep), do not fit a "
            + "weight of shape \(weight)")
      }
    }
    bands = LowRankAdapter.bands(parts, outputs: weight[0], step: step)
  }

  private static func bands(_ parts: [Part], outputs: Int, step: Int) -> [Band] {
    let starts = Set(parts.map(\.firstRow)).sorted()
    var found: [Band] = [], next = 0
    func addGap(upTo row: Int) {
      if step > 1 {
        for row in next..<row { found.append(Band(firstRow: row, rowCount: outputs / step, parts: [])) }
      } else if row > next {
        found.append(Band(firstRow: next, rowCount: row - next, parts: []))
      }
    }
    for start in starts {
      let members = parts.indices.filter { parts[$0].firstRow == start }, count = parts[members[0]].rowCount
      guard start >= next, members.allSatisfy({ parts[$0].rowCount == count }) else {
        fatalError("LowRankAdapter: parts share some of their rows, and not all, from row \(start) on")
      }
      addGap(upTo: start)
      found.append(Band(firstRow: start, rowCount: count, parts: members))
      next = step > 1 ? start + 1 : start + count
    }
    addGap(upTo: step > 1 ? step : outputs)
    return found
  }

  /// The ranks of all parts together.
  public var rank: Int { parts.reduce(0) { $0 + $1.rank } }

  /// The same change in one part, whose factors are made once: for weights that are used and not learned, as generating
  /// does. It learns nothing.
  public func joined() -> LowRankAdapter {
    var down: [Scalar] = [], up = [Scalar](repeating: 0, count: outputs * rank), column = 0
    down.reserveCapacity(rank * inputs)
    for part in parts {
      let numbers = part.up.array, scale = Scalar(part.scale)
      down += part.down.array
      for row in 0..<part.rowCount {
        let place = (part.firstRow + row * part.rowStep) * rank + column
        for index in 0..<part.rank { up[place + index] = scale * numbers[row * part.rank + index] }
      }
      column += part.rank
    }
    let factors = (
      Parameter(Tensor(shape: [rank, inputs], down)), Parameter(Tensor(shape: [outputs, rank], up)))
    (factors.0.isTrainable, factors.1.isTrainable) = (false, false)
    return LowRankAdapter([Part(down: factors.0, up: factors.1, scale: 1)], of: [outputs, inputs])
  }

  /// What it adds to the weight: Σ s·B·A, row by row. In the order of the parts, each rank ascending.
  ///
  /// - Complexity: outputs · inputs · rank multiplications, one thread.
  public func change() -> [Scalar] {
    var sum = [Scalar](repeating: 0, count: outputs * inputs)
    for part in parts {
      let down = part.down.array, up = part.up.array, scale = Scalar(part.scale)
      for row in 0..<part.rowCount {
        let place = (part.firstRow + row * part.rowStep) * inputs
        for index in 0..<part.rank {
          let factor = scale * up[row * part.rank + index]
          for column in 0..<inputs { sum[place + column] += factor * down[index * inputs + column] }
        }
      }
    }
    return sum
  }
}

// MARK: Inside a step

extension LowRankAdapter {
  /// s·x·Aᵀ and B, with a column for each part's ranks and zeros where a part does not change a row: u [rows, R] and
  /// B [outputs, R], whose product goes on from the weight's.
  func factors(_ core: TapeCore, _ x: Slot, _ operation: StaticString) throws(Misuse) -> LowRank {
    guard core.nodes[x].shape.last == inputs else {
      throw Misuse(operation, "x has shape \(core.nodes[x].shape), but the weight's adapter takes \(inputs) inputs")
    }
    let input = dropout > 0 && core.isRecording ? try core.dropout(x, rate: dropout) : x
    var downs: [Slot] = []
    for part in parts { downs.append(try core.use(part.down.core, operation)) }
    let down = try core.joined(downs, axis: 0)
    var u = try core.linear(input, weight: down, bias: -1, activation: nil, residual: -1)
    let scale = parts[0].scale, isCommon = parts.allSatisfy { $0.scale == scale }
    if isCommon, scale != 1 { u = try core.affine(u, scale: scale, shift: 0, operation) }
    return LowRank(u: u, up: try up(core, scaled: !isCommon, operation))
  }

  private func up(_ core: TapeCore, scaled: Bool, _ operation: StaticString) throws(Misuse) -> Slot {
    var ups: [Slot] = []
    for part in parts {
      let up = try core.use(part.up.core, operation)
      ups.append(scaled ? try core.affine(up, scale: part.scale, shift: 0, operation) : up)
    }
    var rows: [Slot] = []
    for band in bands { rows.append(try columns(core, band, ups, operation)) }
    if rowStep == 1 { return try core.joined(rows, axis: 0) }
    return try core.reshape(
      try core.joined(rows, axis: 1), to: Shape([outputs, rank] as InlineArray<2, Int>))
  }

  /// The rows of a band: B's of the parts that change them, zeros in the columns of the others.
  private func columns(
    _ core: TapeCore, _ band: Band, _ ups: [Slot], _ operation: StaticString
  ) throws(Misuse) -> Slot {
    var blocks: [Slot] = [], width = 0
    func addZeros() throws(Misuse) {
      guard width > 0 else { return }
      let shape = Shape([band.rowCount, width] as InlineArray<2, Int>)
      let zeros = try core.temporary(shape, operation, requiresGradient: false)
      unsafe core.fill(core.data(zeros), count: shape.count, with: 0)
      blocks.append(zeros)
      width = 0
    }
    for (index, part) in parts.enumerated() {
      guard band.parts.contains(index) else {
        width += part.rank
        continue
      }
      try addZeros()
      blocks.append(ups[index])
    }
    try addZeros()
    return try core.joined(blocks, axis: 1)
  }
}

extension TapeCore {
  /// The factors of a weight's adapter for x; none where it has no adapter.
  func lowRank<Scalar>(
    _ weight: some Operand<Scalar>, _ x: Slot, _ operation: StaticString
  ) throws(Misuse) -> LowRank {
    guard appliesAdapters, case .parameter(let parameter) = weight.operand, let adapter = parameter.adapter else {
      return .none
    }
    return try adapter.factors(self, x, operation)
  }

  /// Throws where a weight has an adapter that an operation would ignore.
  func refuseAdapter<Scalar>(_ weight: some Operand<Scalar>, _ operation: StaticString) throws(Misuse) {
    guard case .parameter(let parameter) = weight.operand, parameter.adapter != nil else { return }
    throw Misuse(
      operation, "\(parameter.name ?? "the weight") has an adapter, which only linear and gatedLinear apply",
      hint: "adapt other weights")
  }

  fileprivate func joined(_ parts: [Slot], axis: Int) throws(Misuse) -> Slot {
    if parts.count == 1 { return parts[0] }
    // INVARIANT: the array lives until the call returns.
    let result: Result<Slot, Misuse> = unsafe parts.withUnsafeBufferPointer { parts in
      do throws(Misuse) {
        return .success(unsafe try concatenate(parts.baseAddress!, count: parts.count, axis: axis))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }
}
