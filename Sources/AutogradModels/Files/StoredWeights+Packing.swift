import AutogradEngine
import AutogradFormats
import AutogradKernels
import Synchronization

/// A tensor of the model that is kept as a stored weight, and where its rows lie in the file.
struct PackedTensor<Scalar: TensorScalar> {
  let parameter: Parameter<Scalar>
  let format: WeightFormat
  let matches: [StoredWeights<Scalar>.Match]
}

// From the file to stored weights, by all threads, some rows at a time: no weight ever stands in memory as floats. All
// weights share one piece of memory, in the order in which a pass reads them.
extension StoredWeights {
  /// Packs the large weights, and gives them to the model's parameters.
  ///
  /// - Throws: Where numbers are not finite, or more than their form holds, or there is no memory for them.
  func pack() throws(LanguageModelError) {
    guard !packed.isEmpty else { return }
    let instructionSet = InstructionSet.preferred
    var offsets: [Int] = [], total = 0
    for tensor in packed {
      let shape = tensor.parameter.shape
      offsets.append(total)
      let bytes = StoredWeight.byteCount(
        tensor.format, outputs: shape[0], inputs: shape[1], instructionSet: instructionSet)
      total += (bytes + 63) / 64 * 64
    }
    guard let memory = PersistentBlock(tryingByteCount: total) else {
      throw .noMemory(byteCount: total)
    }
    let packers = zip(packed, offsets).map { tensor, offset in
      let shape = tensor.parameter.shape
      let weight = StoredWeight(
        tensor.format, outputs: shape[0], inputs: shape[1], instructionSet: instructionSet, in: memory, at: offset)
      return WeightPacker(weight, tensor.matches, contents)
    }
    try run(packers)
    for (tensor, packer) in zip(packed, packers) { tensor.parameter.core.store(packer.weight) }
  }

  private func run(_ packers: [WeightPacker]) throws(LanguageModelError) {
    let jobs = packers.indices.flatMap { index in (0..<packers[index].unitCount).map { (index, $0) } }
    let outcome = Mutex<(problems: [Int: String], error: TensorFileError?)>(([:], nil))
    ThreadPool.shared.forEach(jobs.count) { number in
      let (index, unit) = jobs[number]
      do throws(TensorFileError) {
        guard let problem = try packers[index].pack(unit) else { return }
        outcome.withLock { $0.problems[number] = problem }
      } catch {
        outcome.withLock { $0.error = $0.error ?? error }
      }
    }
    let (problems, error) = outcome.withLock { $0 }
    if case .file(let problem) = error { throw .file(problem) }
    if let error { throw .tensorFile(path: path, error) }
    if problems.isEmpty { return }
    throw .nonFiniteWeights(path: path, problems.sorted { $0.key < $1.key }.map(\.value))
  }
}

/// Fills a stored weight from the tensors of a file, in units that share no bytes: whole panels, or where the file has
/// columns side by side, blocks of columns.
private struct WeightPacker: Sendable {
  /// A tensor of the file.
  private struct Part: Sendable {
    let name: String
    let stored: StoredTensor
    /// Its blocks are those of the weight.
    let isDirect: Bool
    /// The weight's rows of its rows.
    let rows: [Int]
  }

  let weight: StoredWeight
  private let parts: [Part]
  /// The part, and the row there, of each row of the weight.
  private let places: [(part: Int, row: Int)]
  private let contents: any TensorFile
  private let isTransposed: Bool

  init<Scalar>(_ weight: StoredWeight, _ matches: [StoredWeights<Scalar>.Match], _ contents: any TensorFile) {
    (self.weight, self.contents) = (weight, contents)
    isTransposed = matches.contains { $0.stored.isTransposed }
    var places = [(part: Int, row: Int)](repeating: (0, 0), count: weight.outputs)
    parts = matches.enumerated().map { index, match in
      let stored = match.stored, encoding = contents.tensor(match.name)?.encoding
      let isBlocks = encoding.map { WeightFormat.of($0) == weight.format } ?? false
      let rows = (0..<stored.rowCount).map { stored.place(ofRow: $0) / max(1, stored.rowWidth) }
      for (row, own) in rows.enumerated() { places[own] = (index, row) }
      return Part(
        name: match.name, stored: stored, isDirect: weight.format.isQuantized && isBlocks && !stored.isTransposed,
        rows: rows)
    }
    self.places = places
  }

  /// Rows of a unit: as many as keep the rows of most heads together, which may lie in another order there.
  private var unitRows: Int { (128 + weight.rowsTogether - 1) / weight.rowsTogether * weight.rowsTogether }
  /// Columns of a unit, where columns lie side by side.
  private static var unitColumns: Int { 32 }

  var unitCount: Int {
    let (all, unit) = isTransposed ? (weight.inputs, WeightPacker.unitColumns) : (weight.outputs, unitRows)
    return (all + unit - 1) / unit
  }

  /// - Returns: What is wrong with a number, and where it stands.
  func pack(_ unit: Int) throws(TensorFileError) -> String? {
    if isTransposed {
      let first = unit * WeightPacker.unitColumns
      return try packColumns(first..<min(weight.inputs, first + WeightPacker.unitColumns))
    }
    let first = unit * unitRows, places = places[first..<min(weight.outputs, first + unitRows)]
    for part in parts.indices {
      let rows = places.filter { $0.part == part }.map(\.row).sorted()
      if let problem = try packRows(rows, of: parts[part]) { return problem }
    }
    return nil
  }

  /// Packs rows of a part, those that are near each other in one go.
  private func packRows(_ rows: [Int], of part: Part) throws(TensorFileError) -> String? {
    var rest = rows[...]
    while let low = rest.first {
      var count = 1
      while count < rest.count, rest[rest.startIndex + count] - low < 2 * (count + 1) { count += 1 }
      let near = rest.prefix(count), width = weight.inputs
      let elements = low * width..<(near[near.endIndex - 1] + 1) * width
      let problem = part.isDirect
        ? try packBlocks(near, low, part, elements) : try packNumbers(near, low, part, elements)
      if let problem { return problem }
      rest = rest.dropFirst(count)
    }
    return nil
  }

  private func packBlocks(
    _ rows: ArraySlice<Int>, _ low: Int, _ part: Part, _ elements: Range<Int>
  ) throws(TensorFileError) -> String? {
    let bytes = try contents.bytes(part.name, elements), rowBytes = weight.format.sourceBytes(weight.inputs)
    for row in rows {
      let start = (row - low) * rowBytes
      if hasInfiniteHead(bytes[start..<start + rowBytes]) {
        let first = row * weight.inputs
        return problem(try contents.readFloats(part.name, first..<first + weight.inputs), part, first)
      }
      weight.write(row: part.rows[row], blocks: bytes.span.extracting(start..<start + rowBytes))
    }
    return nil
  }

  /// Whether a block's scale or least number is infinite or NaN: all ones in a half's exponent.
  private func hasInfiniteHead(_ blocks: ArraySlice<UInt8>) -> Bool {
    let blockBytes = weight.format.sourceBytes(weight.format.blockLength)
    for block in stride(from: blocks.startIndex, to: blocks.endIndex, by: blockBytes) {
      for half in weight.format.halfOffsets where blocks[block + half + 1] & 0x7C == 0x7C { return true }
    }
    return false
  }

  private func packNumbers(
    _ rows: ArraySlice<Int>, _ low: Int, _ part: Part, _ elements: Range<Int>
  ) throws(TensorFileError) -> String? {
    let numbers = try contents.readFloats(part.name, elements), width = weight.inputs
    for row in rows {
      let start = (row - low) * width
      if let problem = write(numbers[start..<start + width], row: part.rows[row], from: 0, part, row * width) {
        return problem
      }
    }
    return nil
  }

  /// Packs some columns of all rows: in the file they are rows.
  private func packColumns(_ columns: Range<Int>) throws(TensorFileError) -> String? {
    for part in parts {
      let outputs = part.stored.rowCount
      let numbers = try contents.readFloats(part.name, columns.lowerBound * outputs..<columns.upperBound * outputs)
      if let problem = problem(numbers, part, columns.lowerBound * outputs) { return problem }
      var piece = [Float](repeating: 0, count: columns.count)
      for row in 0..<outputs {
        for column in piece.indices { piece[column] = numbers[column * outputs + row] }
        if let problem = write(piece[...], row: part.rows[row], from: columns.lowerBound, part, nil) { return problem }
      }
    }
    return nil
  }

  /// Writes numbers of a row, quantised where the weight's form is.
  ///
  /// - Parameter index: Where the first stands in the file; nil where they were looked at.
  private func write(_ numbers: ArraySlice<Float>, row: Int, from first: Int, _ part: Part, _ index: Int?) -> String? {
    if let index, let problem = problem(numbers, part, index) { return problem }
    guard let type = weight.format.isQuantized ? GGUFNumberType(rawValue: weight.format.name) : nil else {
      weight.write(row: row, from: first, numbers.span)
      return nil
    }
    var bytes: [UInt8] = []
    type.append(Array(numbers), to: &bytes)
    weight.write(row: row, from: first, blocks: bytes.span)
    return nil
  }

  /// The first number that is not finite, or too large for the weight's form.
  private func problem(_ numbers: some RandomAccessCollection<Float>, _ part: Part, _ first: Int) -> String? {
    let largest = GGUFNumberType(rawValue: weight.format.name)?.largest ?? .greatestFiniteMagnitude
    // NaN is at most nothing.
    guard let (offset, value) = numbers.enumerated().first(where: { !(abs($0.element) <= largest) }) else { return nil }
    let excess = value.isFinite ? ", more than \(weight.format) holds" : ""
    return "\(part.stored.shortName) holds \(value) at index \(first + offset)\(excess)"
  }
}
