import CAutogradKernels
public import AutogradKernels

/// A frozen weight [outputs, inputs] as products read it: float32, float16, bfloat16, or blocks of small integers as
/// files have them, packed once. It takes what its numbers take in a file.
///
/// Give it to a parameter (`Parameter.store`), which linear layers, gated ones and embeddings then take as any other.
/// It has no gradient, and nothing can be learned through it.
///
/// Its panels are as wide as one instruction set wants them: a tape whose backend has another refuses it.
///
/// INVARIANT: `memory` holds `byteCount` bytes from `offset` on, which only this object uses. They are written by
/// `write`, before the weight is given to anybody; after that they do not change.
@safe public final class StoredWeight: @unchecked Sendable {
  public let format: WeightFormat
  public let outputs: Int
  public let inputs: Int
  /// The set whose products it was packed for.
  public let instructionSet: InstructionSet
  private let memory: PersistentBlock
  private let offset: Int
  /// Bytes of a panel.
  private let panelBytes: Int

  /// Makes a weight of zeros, to be written row by row.
  ///
  /// - Precondition: Blocks of the format divide `inputs`; otherwise stops and prints both.
  public convenience init(
    _ format: WeightFormat, outputs: Int, inputs: Int, instructionSet: InstructionSet = .preferred
  ) {
    let bytes = StoredWeight.byteCount(format, outputs: outputs, inputs: inputs, instructionSet: instructionSet)
    self.init(
      format, outputs: outputs, inputs: inputs, instructionSet: instructionSet, in: PersistentBlock(byteCount: bytes),
      at: 0)
  }

  /// A part of memory that several weights share.
  ///
  /// - Parameter offset: A multiple of 64, from which on the memory has room for it, and is zero.
  package init(
    _ format: WeightFormat, outputs: Int, inputs: Int, instructionSet: InstructionSet, in memory: PersistentBlock,
    at offset: Int
  ) {
    guard outputs >= 0, inputs >= 0, inputs % format.blockLength == 0 else {
      fatalError("StoredWeight: \(inputs) inputs are no whole blocks of \(format.blockLength), as \(format) has them")
    }
    (self.format, self.outputs, self.inputs) = (format, outputs, inputs)
    self.instructionSet = min(instructionSet, .widest)
    (self.memory, self.offset) = (memory, offset)
    panelBytes = ck_weight_panel_bytes(format.code, self.instructionSet.panelWidth, inputs)
    precondition(offset % 64 == 0 && offset + byteCount <= memory.byteCount, "StoredWeight: no room")
  }

  /// [outputs, inputs]
  public var shape: [Int] { [outputs, inputs] }

  /// Bytes of memory; what fills the last panel counts.
  public var byteCount: Int {
    StoredWeight.byteCount(format, outputs: outputs, inputs: inputs, instructionSet: instructionSet)
  }

  /// Bytes that a weight takes.
  public static func byteCount(
    _ format: WeightFormat, outputs: Int, inputs: Int, instructionSet: InstructionSet = .preferred
  ) -> Int {
    format.byteCount(outputs: outputs, inputs: inputs, panelWidth: instructionSet.panelWidth)
  }

  /// As kernels take it. INVARIANT: valid while this object lives.
  @unsafe package var kernelWeight: ck_weight {
    unsafe ck_weight(
      panels: memory.start + offset, panel_bytes: panelBytes, n: outputs, k: inputs, format: format.code)
  }

  // MARK: Numbers

  /// Rows that must be written by one thread: their numbers lie between each other's.
  package var rowsTogether: Int { instructionSet.panelWidth }

  /// Writes numbers of a row: those of a format without blocks are rounded to the nearest.
  ///
  /// - Precondition: The format is not quantised; the numbers lie inside the row and begin at a multiple of 32.
  package func write(row: Int, from first: Int = 0, _ numbers: Span<Float>) {
    precondition(!format.isQuantized, "StoredWeight: \(format) is written in blocks")
    unsafe numbers.withUnsafeBytes { unsafe write(row: row, from: first, count: numbers.count, $0) }
  }

  /// Writes blocks of a row as ggml lays them out.
  ///
  /// - Parameter first: The number that the first block begins with.
  /// - Precondition: The format is quantised, the blocks are whole, begin with one of the row, and lie inside it.
  package func write(row: Int, from first: Int = 0, blocks: Span<UInt8>) {
    let count = blocks.count / format.sourceBytes(format.blockLength) * format.blockLength
    precondition(format.isQuantized && format.sourceBytes(count) == blocks.count, "StoredWeight: no whole blocks")
    unsafe blocks.withUnsafeBytes { unsafe write(row: row, from: first, count: count, $0) }
  }

  /// INVARIANT: the source holds `count` numbers in the form that `format` is written in.
  private func write(row: Int, from first: Int, count: Int, _ source: UnsafeRawBufferPointer) {
    let unit = max(format.blockLength, Int(CK_WEIGHT_BLOCK))
    precondition(
      row >= 0 && row < outputs && first >= 0 && first + count <= inputs && first % unit == 0,
      "StoredWeight: row \(row), numbers \(first)..<\(first + count) of \(shape)")
    guard let bytes = source.baseAddress, count > 0 else { return }
    unsafe ck_weight_write(
      memory.start + offset, format.code, instructionSet.panelWidth, inputs, row, first, count, bytes)
  }

  /// The numbers that a row stands for.
  public func row(_ index: Int) -> [Float] { rows(index..<index + 1) }

  /// The numbers of some rows, one row behind the other.
  ///
  /// - Precondition: There are such rows.
  public func rows(_ range: Range<Int>) -> [Float] {
    precondition(range.lowerBound >= 0 && range.upperBound <= outputs, "StoredWeight: rows \(range) of \(shape)")
    guard inputs > 0 else { return [] }
    let tokens = range.map { Int32($0) }
    return unsafe [Float](unsafeUninitializedCapacity: range.count * inputs) { target, count in
      count = range.count * inputs
      unsafe tokens.withUnsafeBufferPointer { tokens in
        // INVARIANT: there is room for `inputs` numbers for each token, and the set is one that runs here.
        let backend = Backend(instructionSet: instructionSet)
        unsafe backend.runRows(
          ck_weight_embedding(weight: kernelWeight, y: target.baseAddress!, tokens: tokens.baseAddress!), .float32,
          count: range.count, columns: inputs)
      }
    }
  }
}
