import AutogradBase
import AutogradEngine
import AutogradFormats
import AutogradKernels
import Synchronization

// The numbers of matched tensors: from the file to where the model has them, by all threads, piece by piece, so that no
// tensor ever stands in memory twice.
extension StoredWeights {
  /// What reading does with numbers beside looking at them.
  enum Purpose {
    /// Nothing: for the errors alone.
    case checking
    /// Puts them into the model.
    case writing
  }

  /// Reads every tensor.
  ///
  /// - Throws: `nonFiniteWeights`, with the first such number of every tensor; `weights`, where a tensor that the model does
  ///   without would have made a difference.
  /// - Complexity: one pass over the file; F32 tensors that lie in the file as in the model are read straight to their
  ///   place, others by way of 256 kB for each thread.
  func read(_ purpose: Purpose) throws(LanguageModelError) {
    var problems: [String] = [], differences: [String] = []
    do throws(TensorFileError) {
      for (match, place) in zip(matches, try readPieces(purpose)) {
        guard let (index, value) = place else { continue }
        problems.append("\(match.stored.shortName) holds \(value) at index \(index)")
      }
      for name in zeros {
        guard let (index, value) = try first(of: name, where: { _, value in value != 0 }) else { continue }
        differences.append("\(name) holds \(value) at index \(index), although config.json says that there are no biases")
      }
      for (name, original) in copies {
        guard let (index, value) = try firstDifference(name, original) else { continue }
        differences.append(
          "\(name) differs from \(original) at index \(index) (\(value)), although config.json ties them; "
            + "set \"tie_word_embeddings\" to false to use it, or remove it")
      }
    } catch {
      if case .file(let problem) = error { throw .file(problem) }
      throw .tensorFile(path: path, error)
    }
    if !differences.isEmpty { throw .weights(path: path, differences) }
    if !problems.isEmpty { throw .nonFiniteWeights(path: path, problems) }
    if purpose == .writing { try pack() }
  }

  // MARK: Pieces

  /// Reads all pieces of all tensors.
  ///
  /// - Returns: For each tensor the first number that is not finite, and where it stands in the file.
  private func readPieces(_ purpose: Purpose) throws(TensorFileError) -> [(index: Int, value: Scalar)?] {
    let jobs = matches.indices.flatMap { match in
      StoredWeights.pieces(matches[match].stored.count).map { Piece(match: match, elements: $0) }
    }
    // INVARIANT: no step is running on a model that is being loaded; no two pieces have a number in common, and the
    // parameters, whose memory this is, live until this function returns.
    let targets = matches.map { match in
      unsafe WeightMemory(match.stored, purpose == .writing ? match.parameter.currentValues : nil)
    }
    let outcome = Mutex(Outcome()), contents = contents, names = matches.map(\.name)
    ThreadPool.shared.forEach(jobs.count) { number in
      let job = jobs[number]
      do throws(TensorFileError) {
        guard let place = try targets[job.match].read(names[job.match], job.elements, from: contents) else { return }
        outcome.withLock { $0.note(place, of: job.match) }
      } catch {
        outcome.withLock { $0.note(error, of: number) }
      }
    }
    let found = outcome.withLock { $0 }
    if let error = found.error { throw error.error }
    return withExtendedLifetime(matches) { matches.indices.map { found.places[$0] } }
  }

  /// Some numbers of a tensor that lie in a file.
  private struct Piece: Sendable {
    let match: Int
    let elements: Range<Int>
  }

  /// What went wrong, whichever thread found out first: of a tensor the first number, of all errors that of the first piece.
  private struct Outcome: Sendable {
    var places: [Int: (index: Int, value: Scalar)] = [:]
    var error: (piece: Int, error: TensorFileError)?

    mutating func note(_ place: (index: Int, value: Scalar), of match: Int) {
      if let before = places[match], before.index < place.index { return }
      places[match] = place
    }

    mutating func note(_ error: TensorFileError, of piece: Int) {
      if let before = self.error, before.piece < piece { return }
      self.error = (piece, error)
    }
  }

  private static func pieces(_ count: Int) -> [Range<Int>] {
    stride(from: 0, to: count, by: pieceLength).map { $0..<min(count, $0 + pieceLength) }
  }

  /// Numbers read at once: they fit a processor's cache, where they are looked at, and hold every kind of block whole.
  private static var pieceLength: Int { 1 << 16 }

  // MARK: Tensors that the model does without

  private func first(
    of name: String, where isWrong: (Int, Double) -> Bool
  ) throws(TensorFileError) -> (index: Int, value: Double)? {
    for range in StoredWeights.pieces(contents.tensor(name)?.elementCount ?? 0) {
      for (index, value) in zip(range, try contents.readDoubles(name, range)) where isWrong(index, value) {
        return (index, value)
      }
    }
    return nil
  }

  private func firstDifference(
    _ name: String, _ original: String
  ) throws(TensorFileError) -> (index: Int, value: Double)? {
    for range in StoredWeights.pieces(contents.tensor(name)?.elementCount ?? 0) {
      let own = try contents.readDoubles(name, range), other = try contents.readDoubles(original, range)
      // NaN is named elsewhere, and is no difference.
      if let offset = own.indices.first(where: { own[$0] != other[$0] && !(own[$0].isNaN && other[$0].isNaN) }) {
        return (range.lowerBound + offset, own[offset])
      }
    }
    return nil
  }
}

/// Where the numbers of a stored tensor belong in a model's memory.
///
/// INVARIANT: `values` are a parameter's, of which the stored tensor holds rows, so that every place lies below its
/// count; whoever made it keeps the parameter alive. Several threads may read at once: each other elements.
@safe private struct WeightMemory<Scalar: TensorScalar>: @unchecked Sendable {
  private let stored: StoredTensor
  /// Nil where numbers are only looked at.
  private let values: UnsafeMutableBufferPointer<Scalar>?

  init(_ stored: StoredTensor, _ values: UnsafeMutableBufferPointer<Scalar>?) {
    self.stored = stored
    unsafe self.values = values
  }

  /// Reads numbers of the stored tensor, and puts them where they belong.
  ///
  /// - Returns: The first that is not finite, and where it stands in the file.
  func read(
    _ name: String, _ elements: Range<Int>, from contents: any TensorFile
  ) throws(TensorFileError) -> (index: Int, value: Scalar)? {
    if stored.isContiguous, let values = unsafe values {
      let start = stored.place(ofRow: 0) + elements.lowerBound
      let target = unsafe UnsafeMutableBufferPointer(rebasing: values[start..<start + elements.count])
      return unsafe try read(name, elements, from: contents, into: target)
    }
    var place: (index: Int, value: Scalar)?, failure: TensorFileError?
    // Filled by reading alone: a first value for each element, of a type that is not known here, takes as long again.
    let piece = unsafe [Scalar](unsafeUninitializedCapacity: elements.count) { buffer, count in
      do throws(TensorFileError) {
        place = unsafe try read(
          name, elements, from: contents, into: UnsafeMutableBufferPointer(rebasing: buffer[..<elements.count]))
        count = elements.count
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    if place == nil, let values = unsafe values { unsafe write(piece, at: elements.lowerBound, to: values) }
    return place
  }

  /// INVARIANT: `target` has room for just the elements.
  private func read(
    _ name: String, _ elements: Range<Int>, from contents: any TensorFile, into target: UnsafeMutableBufferPointer<Scalar>
  ) throws(TensorFileError) -> (index: Int, value: Scalar)? {
    guard let start = target.baseAddress else { return nil }
    let bytes = UnsafeMutableRawPointer(start)
    switch Scalar.elementType {
    case .float32:
      // INVARIANT: `Scalar` is what its element type says.
      let floats = unsafe UnsafeMutableBufferPointer(
        start: bytes.assumingMemoryBound(to: Float.self), count: target.count)
      var span = unsafe MutableSpan(_unsafeElements: floats)
      try contents.read(name, elements, into: &span)
      if unsafe areFinite(floats) { return nil }
    case .float64:
      // INVARIANT: as above.
      let doubles = unsafe UnsafeMutableBufferPointer(
        start: bytes.assumingMemoryBound(to: Double.self), count: target.count)
      var span = unsafe MutableSpan(_unsafeElements: doubles)
      try contents.read(name, elements, into: &span)
    }
    guard let offset = unsafe target.firstIndex(where: { !$0.isFinite }) else { return nil }
    return unsafe (elements.lowerBound + offset, target[offset])
  }

  /// Writes numbers of the stored tensor, from its `first` on, to where they belong.
  @_specialize(where Scalar == Float)
  @_specialize(where Scalar == Double)
  private func write(_ piece: [Scalar], at first: Int, to values: UnsafeMutableBufferPointer<Scalar>) {
    if stored.isTransposed {
      let rows = stored.rowCount
      // Element i of a stored [columns, rows] matrix stands in row i mod rows, column i / rows of ours.
      var (column, row) = first.quotientAndRemainder(dividingBy: rows)
      for value in piece {
        unsafe values[stored.place(ofRow: row) + column] = value
        row += 1
        if row == rows { (row, column) = (0, column + 1) }
      }
      return
    }
    let width = stored.rowWidth
    var (row, column) = first.quotientAndRemainder(dividingBy: width), index = 0
    while index < piece.count {
      let count = min(width - column, piece.count - index), place = stored.place(ofRow: row) + column
      unsafe piece.withUnsafeBufferPointer { source in
        // INVARIANT: `count` numbers of one row, there and here.
        unsafe values.baseAddress!.advanced(by: place).update(from: source.baseAddress!.advanced(by: index), count: count)
      }
      (row, column, index) = (row + 1, 0, index + count)
    }
  }
}

/// Whether no number is infinite or NaN, told by their exponents in a loop without branches.
private func areFinite(_ numbers: UnsafeMutableBufferPointer<Float>) -> Bool {
  var seen: UInt32 = 0
  // An exponent of ones carries into the bit of the sign.
  for index in numbers.indices { unsafe seen |= (numbers[index].bitPattern & 0x7FFF_FFFF) &+ 0x0080_0000 }
  return seen & 0x8000_0000 == 0
}
