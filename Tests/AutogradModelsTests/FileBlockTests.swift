import AutogradBase
import AutogradEngine
import AutogradKernels
import AutogradTestSupport
import AutogradText
import Testing

@testable import AutogradFormats
@testable import AutogradModels

/// A tensor of a GGUF file: its bytes are those of any type that is read.
private struct RawTensor {
  let name: String
  let type: GGUFTensorType
  let shape: [Int]
  let bytes: [UInt8]
}

/// Blocks that this library does not write, read as they are and as floats.
@Suite("Blocks of files as stored weights") struct FileBlockTests {
  private let tokenizer = try! CharacterTokenizer(training: Array("abcdefgäé".utf8))

  @Test(
    "ggml's blocks stand for what gguf.quants.dequantize has, bit for bit",
    arguments: WeightFormat.all.filter(\.isQuantized))
  func numbers(_ format: WeightFormat) throws {
    let tests = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2).joined(separator: "/")
    let file = try GGUFFile(bytes: POSIXFileSystem().read(tests + "/Fixtures/blocks.gguf", byteLimit: 1 << 20))
    let name = format.name.uppercased(), entry = try #require(file.tensor(name))
    #expect(WeightFormat.of(entry.encoding) == format)
    let (outputs, inputs) = (entry.shape[0], entry.shape[1])
    let expected = try file.readFloats(name + ".numbers", 0..<entry.elementCount)
    for set in InstructionSet.available {
      let weight = StoredWeight(format, outputs: outputs, inputs: inputs, instructionSet: set)
      for row in 0..<outputs {
        let blocks = try file.bytes(name, row * inputs..<(row + 1) * inputs)
        weight.write(row: row, blocks: blocks.span)
      }
      expectSameBits(weight.rows(0..<outputs), expected, "\(format), \(set)")
    }
  }

  /// Blocks of any bits, but for numbers in half precision, which are small.
  private func blocks(_ format: WeightFormat, _ count: Int, _ random: inout RandomStream) -> [UInt8] {
    var bytes = (0..<format.sourceBytes(count)).map { _ in UInt8(random.integer(below: 256)) }
    for block in stride(from: 0, to: bytes.count, by: format.sourceBytes(format.blockLength)) {
      for half in format.halfOffsets {
        let bits = Float16(random.normal() * 1e-4).bitPattern
        bytes[block + half] = UInt8(bits & 0xFF)
        bytes[block + half + 1] = UInt8(bits >> 8)
      }
    }
    return bytes
  }

  /// The bytes of a file: the metadata of another, and other tensors.
  private func file(_ metadata: GGUFMetadata, _ tensors: [RawTensor]) -> [UInt8] {
    var metadata = metadata
    // Behind the last key stand zeros: the key itself does not end with one.
    metadata["test.end"] = .string("end")
    var bytes = GGUFWriter(metadata).serialized(), offset = 0
    while bytes.last == 0 { bytes.removeLast() }
    bytes.replaceSubrange(8..<16, with: littleEndian(UInt64(tensors.count)))
    for tensor in tensors {
      bytes += littleEndian(UInt64(tensor.name.utf8.count)) + Array(tensor.name.utf8)
      bytes += littleEndian(UInt32(tensor.shape.count))
      for length in tensor.shape.reversed() { bytes += littleEndian(UInt64(length)) }
      bytes += littleEndian(tensor.type.number) + littleEndian(UInt64(offset))
      offset = (offset + tensor.bytes.count + 31) / 32 * 32
    }
    for tensor in [[]] + tensors.map(\.bytes) {
      bytes += tensor
      bytes += [UInt8](repeating: 0, count: (32 - bytes.count % 32) % 32)
    }
    return bytes
  }

  private func littleEndian(_ value: some FixedWidthInteger & UnsignedInteger) -> [UInt8] {
    (0..<value.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  /// A llama whose large tensors are blocks: `format` says of which kind.
  private func model(_ format: (_ name: String) -> WeightFormat) throws -> [UInt8] {
    let sizes = try DecoderConfiguration(
      vocabularySize: 37, contextLength: 12, layerCount: 2, headCount: 4, channelCount: 256, keyValueHeadCount: 2,
      feedForwardWidth: 512, family: .llama)
    let written = try temporaryDirectory { folder in
      let path = folder + "/x.gguf"
      try GGUFModel.write(Decoder<Float>(sizes, seed: 3), tokenizer: tokenizer, weights: .f32, to: path)
      return try POSIXFileSystem().read(path, byteLimit: 1 << 26)
    }
    let plain = try GGUFFile(bytes: written)
    var random = RandomStream(seed: 4, purpose: .evaluation), tensors: [RawTensor] = []
    for entry in plain.header.entries {
      var type = entry.type, bytes = Array(written[entry.byteRange])
      if entry.shape.count == 2 {
        let format = format(entry.name)
        type = try #require(GGUFTensorType.named(format.name.uppercased()))
        bytes = blocks(format, entry.shape[0] * entry.shape[1], &random)
      }
      tensors.append(RawTensor(name: entry.name, type: type, shape: entry.shape, bytes: bytes))
    }
    return file(plain.metadata, tensors)
  }

  private func logits(_ model: Decoder<Float>, _ mode: ProductMode) -> [Float] {
    let tape = Tape<Float>(), ids: [Int32] = [1, 5, 2, 9, 0, 3, 7, 8, 36]
    tape.productMode = mode
    return tape.step { tape in tape.inference { model.logits(tape.tokens(ids.span, shape: [1, 9])).array } }
  }

  /// As in files of the kinds "Q4_K_M" and "Q5_K_M", and, in the second layer, what becomes of rows that blocks of 256
  /// do not divide.
  private static func mixed(_ name: String) -> WeightFormat {
    if name.contains("ffn_down") || name.contains("token_embd") { return .q6_K }
    return name.hasPrefix("blk.0.") ? .q4_K : name.contains("ffn") ? .q5_K : name.contains("output") ? .q5_1 : .q5_0
  }

  @Test("a model of such blocks is the one of their numbers, and takes their bytes")
  func models() throws {
    let bytes = try model(FileBlockTests.mixed)
    try temporaryDirectory { folder in
      let path = folder + "/x.gguf"
      try POSIXFileSystem().writeAtomically(bytes, to: path)
      let source = try openModel(path), plain = try source.loadModel()
      let loaded = try source.loadModel(weights: .asStored)
      for (a, b) in zip(loaded.tensors, plain.tensors) {
        expectSameBits(a.parameter.array, b.parameter.array, a.storedName)
      }
      for mode in [ProductMode.exact, .bfloat16] {
        expectSameBits(logits(loaded, mode), logits(plain, mode), "\(mode)")
      }
      let exact = logits(plain, .exact), integer = logits(loaded, .integer)
      let size = exact.reduce(0) { $0 + Double($1 * $1) }.squareRoot()
      let error = zip(exact, integer).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }.squareRoot()
      #expect(size.isFinite && error > 0 && error < 0.05 * size, "off by \(error / size)")
      #expect(loaded.weightUse.map(\.format) == ["q4_K", "q6_K", "q5_K", "q5_0", "q5_1", "f32"])
      let input = loaded.blocks[0].attention.input.weight.storedWeight
      let output = loaded.blocks[0].feedForward.output.weight.storedWeight
      #expect(input?.format == .q4_K && output?.format == .q6_K)
      #expect(output?.byteCount == 256 * 512 * 210 / 256)
    }
  }

  @Test("rows of one weight in different blocks are kept as bfloat16")
  func different() throws {
    let bytes = try model { $0.contains("attn_v") ? .q6_K : FileBlockTests.mixed($0) }
    try temporaryDirectory { folder in
      let path = folder + "/x.gguf"
      try POSIXFileSystem().writeAtomically(bytes, to: path)
      let loaded = try openModel(path).loadModel(weights: .asStored)
      #expect(loaded.blocks[0].attention.input.weight.storedWeight?.format == .bfloat16)
    }
  }

  @Test("a scale that is not finite is named", arguments: [WeightFormat.q4_K, .q6_K, .q5_1], [0, 1])
  func notFinite(_ format: WeightFormat, _ half: Int) throws {
    var bytes = try model { _ in format }
    let entry = try #require(try GGUFFile(bytes: bytes).header.entry("blk.1.ffn_down.weight"))
    let block = entry.byteRange.lowerBound + 5 * format.sourceBytes(format.blockLength)
    let place = block + format.halfOffsets[half % format.halfOffsets.count]
    bytes.replaceSubrange(place..<place + 2, with: [0, 0x7C])
    try temporaryDirectory { folder in
      let path = folder + "/x.gguf"
      try POSIXFileSystem().writeAtomically(bytes, to: path)
      let error = #expect(throws: LanguageModelError.self) { try openModel(path).loadModel(weights: .asStored) }
      let sentence = "\(try #require(error))"
      #expect(sentence.contains("not all weights are finite"), "\(sentence)")
      #expect(sentence.contains("blk.1.ffn_down.weight holds"), "\(sentence)")
    }
  }
}
