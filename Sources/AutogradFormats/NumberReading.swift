import AutogradBase

// From a file's bytes to numbers, in pieces that fit a processor's cache: neither ever stands in memory twice.
extension RandomAccessFile {
  /// Reads numbers of a tensor whose bytes begin at `start`.
  ///
  /// - Parameter elements: Which of them; they need not begin or end with a block.
  /// - Precondition: `encoding` is of real numbers, the tensor has these elements, and there is room for just them;
  ///   otherwise stops and prints both counts.
  /// - Complexity: O(elements); 64 kB of memory.
  func read(
    _ encoding: TensorEncoding, at start: Int, _ elements: Range<Int>, into numbers: inout MutableSpan<Float>
  ) throws(FileError) {
    requireRoom(elements, numbers.count)
    #if _endian(little)
      // A float's bits as they are: straight to where they belong.
      if encoding == .single {
        // INVARIANT: any bits are a float.
        var bytes = unsafe numbers.mutableBytes
        return try read(start + 4 * elements.lowerBound..<start + 4 * elements.upperBound, into: &bytes, at: 0)
      }
    #endif
    guard let decode = unsafe encoding.decode else { fatalError("\(encoding.name) holds no real numbers") }
    unsafe try readBlocks(encoding, at: start, elements, into: &numbers, decode)
  }

  /// The same, always exact.
  func read(
    _ encoding: TensorEncoding, at start: Int, _ elements: Range<Int>, into numbers: inout MutableSpan<Double>
  ) throws(FileError) {
    requireRoom(elements, numbers.count)
    if let decode = unsafe encoding.decodeExactly {
      return unsafe try readBlocks(encoding, at: start, elements, into: &numbers, decode)
    }
    let pieceLength = 1 << 14
    var floats = [Float](repeating: 0, count: min(pieceLength, elements.count))
    for first in stride(from: elements.lowerBound, to: elements.upperBound, by: pieceLength) {
      let range = first..<min(elements.upperBound, first + pieceLength)
      var all = floats.mutableSpan
      var piece = all._mutatingExtracting(first: range.count)
      try read(encoding, at: start, range, into: &piece)
      for index in 0..<range.count { numbers[first - elements.lowerBound + index] = Double(piece[index]) }
    }
  }

  private func requireRoom(_ elements: Range<Int>, _ count: Int) {
    guard elements.count == count, elements.lowerBound >= 0 else {
      fatalError("elements \(elements) of a tensor do not fit into \(count) numbers")
    }
  }

  private func readBlocks<Number: BitwiseCopyable>(
    _ encoding: TensorEncoding, at start: Int, _ elements: Range<Int>, into numbers: inout MutableSpan<Number>,
    _ decode: (UnsafeRawBufferPointer, UnsafeMutableBufferPointer<Number>) -> Void
  ) throws(FileError) {
    let length = encoding.blockLength, width = encoding.blockByteCount
    let blocks = elements.lowerBound / length..<(elements.upperBound + length - 1) / length
    let pieceLength = max(1, (1 << 16) / width)
    var bytes = [UInt8](repeating: 0, count: min(pieceLength, blocks.count) * width)
    for first in stride(from: blocks.lowerBound, to: blocks.upperBound, by: pieceLength) {
      let count = min(pieceLength, blocks.upperBound - first)
      try fill(&bytes, from: start + first * width..<start + (first + count) * width)
      let held = first * length..<(first + count) * length, wanted = held.clamped(to: elements)
      let place = wanted.lowerBound - elements.lowerBound
      if held == wanted {
        // INVARIANT: `bytes` begins with `count` blocks; `wanted`, counted from the first element, lies inside `numbers`.
        unsafe bytes.withUnsafeBytes { source in
          unsafe numbers.withUnsafeMutableBufferPointer { target in
            unsafe decode(
              UnsafeRawBufferPointer(rebasing: source[..<(count * width)]),
              UnsafeMutableBufferPointer(rebasing: target[place..<place + wanted.count]))
          }
        }
      } else {
        let part = unsafe Self.decoded(bytes, count, encoding, decode)
        for index in 0..<wanted.count { numbers[place + index] = part[wanted.lowerBound - held.lowerBound + index] }
      }
    }
  }

  private func fill(_ bytes: inout [UInt8], from range: Range<Int>) throws(FileError) {
    var all = bytes.mutableSpan
    // INVARIANT: any bits are a byte.
    var room = unsafe all.mutableBytes
    try read(range, into: &room, at: 0)
  }

  /// All numbers of the first `count` blocks.
  private static func decoded<Number: BitwiseCopyable>(
    _ bytes: [UInt8], _ count: Int, _ encoding: TensorEncoding,
    _ decode: (UnsafeRawBufferPointer, UnsafeMutableBufferPointer<Number>) -> Void
  ) -> [Number] {
    unsafe [Number](unsafeUninitializedCapacity: count * encoding.blockLength) { target, filled in
      filled = count * encoding.blockLength
      // INVARIANT: `bytes` begins with `count` blocks, and there is room for the numbers of all.
      unsafe bytes.withUnsafeBytes { source in
        unsafe decode(
          UnsafeRawBufferPointer(rebasing: source[..<(count * encoding.blockByteCount)]),
          UnsafeMutableBufferPointer(rebasing: target[..<filled]))
      }
    }
  }
}
