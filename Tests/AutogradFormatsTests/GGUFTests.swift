import AutogradBase
import AutogradFormats
import Testing

/// `Scripts/make_gguf_fixture.py`: what the Python package writes and reads.
private func pythonFile() throws -> (file: GGUFFile, bytes: [UInt8]) {
  let tests = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2).joined(separator: "/")
  let bytes = try POSIXFileSystem().read(tests + "/Fixtures/blocks.gguf", byteLimit: 1 << 20)
  return (try GGUFFile(bytes: bytes), bytes)
}

@Suite("GGUF") struct GGUFTests {
  @Test(
    "every type is read as gguf.quants.dequantize has it, bit for bit",
    arguments: ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"])
  func dequantized(_ name: String) throws {
    let (file, _) = try pythonFile(), entry = try #require(file.header.entry(name))
    #expect(entry.type.name == name && entry.elementCount >= 128)
    let all = 0..<entry.elementCount
    let own = try file.readFloats(name, all), expected = try file.readFloats(name + ".numbers", all)
    #expect(own.map(\.bitPattern) == expected.map(\.bitPattern))
    #expect(try file.readDoubles(name, all) == expected.map { Double($0) })
    // A part need not begin or end with a block.
    for part in [3..<4, 31..<33, 100..<127, 0..<1, 5..<5] {
      #expect(try file.readFloats(name, part) == Array(expected[part]), "\(part)")
    }
  }

  @Test("numbers are written as gguf.quants.quantize has them, bit for bit",
    arguments: ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1"])
  func quantized(_ name: String) throws {
    let (file, bytes) = try pythonFile(), type = try #require(GGUFNumberType(rawValue: name.lowercased()))
    let input = try file.readFloats(name + ".input", 0..<512)
    let entry = try #require(file.header.entry(name + ".written"))
    var own: [UInt8] = []
    type.append(input, to: &own)
    #expect(own == Array(bytes[entry.byteRange]))
    #expect(type.rounded(input) == (try file.readFloats(name + ".written", 0..<512)))
  }

  @Test("metadata of every type is read, and written again it is the same")
  func metadata() throws {
    let (file, _) = try pythonFile(), metadata = file.metadata
    #expect(metadata["general.architecture"] == .string("test") && metadata["GGUF.version"] == nil)
    let expected: [(String, GGUFValue)] = [
      ("uint8", .uint8(200)), ("int8", .int8(-100)), ("uint16", .uint16(60000)), ("int16", .int16(-30000)),
      ("uint32", .uint32(4_000_000_000)), ("int32", .int32(-2_000_000_000)), ("uint64", .uint64(1 << 63 + 5)),
      ("int64", .int64(-1 << 62)), ("float32", .float32(0.1)), ("float64", .float64(0.1)), ("bool", .bool(true)),
      ("string", .string("größe")), ("integers", .array(.int32([1, -2, 3]))), ("floats", .array(.float32([0.5, 0.25]))),
      ("bools", .array(.bool([true, false]))), ("strings", .array(.strings(GGUFStrings(["", "a", "größe"])))),
    ]
    for (name, value) in expected { #expect(metadata["of." + name] == value, "\(name)") }
    var longer = metadata
    longer["of.arrays"] = .array(.arrays([.uint8([1]), .strings(GGUFStrings(["b"])), .uint64([])]))
    longer["of.uint8"] = nil
    longer["of.string"] = .string("")
    #expect(longer["of.uint8"] == nil && longer["of.int8"] == .int8(-100) && longer["of.string"] == .string(""))
    #expect(try GGUFFile(bytes: GGUFWriter(longer).serialized()).metadata == longer)
  }

  @Test("what is no real number is refused by name")
  func integers() throws {
    let (file, _) = try pythonFile()
    #expect(throws: TensorFileError.gguf(.wrongType(name: "I32", type: "I32"))) { try file.readFloats("I32", 0..<2) }
    #expect(throws: TensorFileError.gguf(.noSuchTensor(name: "x"))) { try file.readFloats("x", 0..<1) }
    #expect(try file.readDoubles("F64", 0..<3) == [0.1, -1e300, 5e-324])
    #expect(try file.readFloats("F64", 0..<1) == [0.1])
  }

  @Test("tensors of every type are written, aligned, and read again; the same calls give the same bytes")
  func written() throws {
    func made() throws -> GGUFWriter {
      var writer = GGUFWriter(GGUFMetadata([.init("general.architecture", .string("x"))]))
      for type in GGUFNumberType.allCases {
        try writer.add("of \(type.rawValue)", shape: [3, 32], as: type) { $0.map { Float($0 % 7) - 3 } }
      }
      try writer.add("vector", shape: [5], as: .f32) { $0.map { Float($0) } }
      return writer
    }
    let bytes = try made().serialized(), file = try GGUFFile(bytes: bytes)
    #expect(bytes == (try made().serialized()))
    let shapes = GGUFNumberType.allCases.map { _ in [3, 32] } + [[5]]
    #expect(file.header.version == 3 && file.tensors.map(\.shape) == shapes)
    for entry in file.header.entries { #expect((entry.byteRange.lowerBound - file.header.dataOffset) % 32 == 0) }
    let numbers = (0..<96).map { Float($0 % 7) - 3 }
    for type in [GGUFNumberType.f32, .f16, .bf16] { #expect(try file.readFloats("of \(type.rawValue)", 0..<96) == numbers) }
    for type in [GGUFNumberType.q8_0, .q4_0, .q4_1] {
      #expect(try file.readFloats("of \(type.rawValue)", 0..<96) == type.rounded(numbers))
    }
    #expect(try file.readFloats("vector", 0..<5) == [0, 1, 2, 3, 4])
  }

  @Test("a tensor larger than a piece is written whole")
  func large() throws {
    var writer = GGUFWriter(GGUFMetadata())
    try writer.add("large", shape: [3, 1 << 20], as: .bf16) { $0.map { Float($0 % 128) } }
    let file = try GGUFFile(bytes: writer.serialized())
    let places = [0, 1 << 20 - 1, 1 << 20, 3 << 20 - 1]
    for place in places { #expect(try file.readFloats("large", place..<place + 1) == [Float(place % 128)]) }
  }

  @Test("what cannot be written is refused")
  func unwritable() throws {
    var writer = GGUFWriter(GGUFMetadata())
    let none: (Range<Int>) -> [Float] = { _ in [] }
    #expect(throws: GGUFError.brokenRow(name: "a", width: 33, type: "Q8_0", blockLength: 32)) {
      try writer.add("a", shape: [2, 33], as: .q8_0, none)
    }
    #expect(throws: GGUFError.invalidRank(name: "a", rank: 5)) { try writer.add("a", shape: [1, 1, 1, 1, 1], as: .f32, none) }
    #expect(throws: GGUFError.invalidRank(name: "a", rank: 0)) { try writer.add("a", shape: [], as: .f32, none) }
    #expect(throws: GGUFError.invalidDimension(name: "a", axis: 1, length: 0)) {
      try writer.add("a", shape: [2, 0], as: .f32, none)
    }
    let long = String(repeating: "n", count: 64)
    #expect(throws: GGUFError.tensorNameTooLong(index: 0, byteCount: 64)) { try writer.add(long, shape: [1], as: .f32, none) }
    try writer.add("a", shape: [1], as: .f32, none)
    #expect(throws: GGUFError.duplicateTensor("a")) { try writer.add("a", shape: [1], as: .f32, none) }
    #expect(GGUFNumberType.q8_0.type(ofShape: [2, 33]) == .f16 && GGUFNumberType.q4_0.type(ofShape: [64]) == .f32)
    #expect(GGUFNumberType.q4_0.type(ofShape: [2, 64]) == .q4_0)
    #expect(GGUFNumberType.bf16.type(ofShape: [2, 64], staysSingle: true) == .f32)
  }

  @Test("half precision is rounded and read as Float16 has it, every one of them")
  func halves() throws {
    var bytes: [UInt8] = []
    let bits = (0..<UInt16.max).filter { $0 & 0x7C00 != 0x7C00 }
    var writer = SafetensorsWriter()
    try writer.add("all", dtype: .f16, shape: [bits.count]) { room in
      for bit in bits { room += [UInt8(truncatingIfNeeded: bit), UInt8(truncatingIfNeeded: bit >> 8)] }
    }
    let numbers = try SafetensorsFile(bytes: writer.serialized()).floats("all")
    GGUFNumberType.f16.append(numbers, to: &bytes)
    #expect(bytes == bits.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] })
    // Halfway between two neighbours the even one, a little beside it the nearer one.
    for index in stride(from: 0, to: 0x7BFE, by: 17) {
      let (a, b) = (numbers[index], numbers[index + 1]), middle = (a + b) / 2
      #expect(GGUFNumberType.f16.rounded([middle, middle.nextUp, middle.nextDown]) == [index % 2 == 0 ? a : b, b, a])
    }
  }
}
