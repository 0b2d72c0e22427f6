import AutogradBase
import AutogradTestSupport
import AutogradText
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Tokens in files, against the same tokens in memory.
@Suite("TokenFile") struct TokenFileTests {
  private let tokens = (0..<1000).map { Int32($0 * 7 % 257) }

  private func bytes(_ format: TokenFile.Format) -> [UInt8] {
    tokens.flatMap { token -> [UInt8] in
      let two = [UInt8(token & 0xFF), UInt8(token >> 8 & 0xFF)]
      return format == .uint16 ? two : two + [0, 0]
    }
  }

  /// The tokens as a file.
  private func withFile(_ format: TokenFile.Format, _ body: (String, TokenFile) throws -> Void) throws {
    try temporaryDirectory { folder in
      let path = folder + "/train.bin"
      try POSIXFileSystem().create(path, bytes(format))
      try body(path, try TokenFile(path, format, vocabularySize: 257))
    }
  }

  private func batch(_ sampler: WindowSampler, _ number: UInt64) throws -> [[Int32]] {
    let batch = try sampler.batch(number)
    return [batch.inputs, batch.targets]
  }

  @Test("any part comes to any place, and nothing beside it is touched", arguments: TokenFile.Format.allCases)
  func parts(format: TokenFile.Format) throws {
    try withFile(format) { _, file in
      #expect(file.count == 1000 && file.byteCount == 0)
      for (range, place) in [(0..<1000, 0), (0..<1, 3), (999..<1000, 0), (500..<507, 1), (3..<10, 4), (5..<5, 2)] {
        var read = [Int32](repeating: -9, count: range.count + 6), span = read.mutableSpan
        try file.read(range, into: &span, at: place)
        var expected = [Int32](repeating: -9, count: range.count + 6)
        expected.replaceSubrange(place..<place + range.count, with: tokens[range])
        #expect(read == expected, "\(range) at \(place)")
      }
    }
  }

  @Test("windows and their order are those of the same tokens in memory", arguments: TokenFile.Format.allCases)
  func windows(format: TokenFile.Format) throws {
    try withFile(format) { _, file in
      let split = try TokenDataset(tokens: file), same = try TokenDataset(tokens: tokens)
      for part in [TokenDataset.Part.training, .validation] {
        func sampler(_ source: any TokenSource) -> WindowSampler {
          WindowSampler(tokens: source, blockSize: 9, batchSize: 5, seed: 3, purpose: .dataOrder)
        }
        for number in [0, 1, 17, 1000] as [UInt64] {
          #expect(try batch(sampler(split[part]), number) == batch(sampler(same[part]), number))
        }
      }
    }
  }

  @Test("a file cut off meanwhile is an error that says where it ends", arguments: TokenFile.Format.allCases)
  func cutOff(format: TokenFile.Format) throws {
    try withFile(format) { path, file in
      let size = format == .uint16 ? 2 : 4, sampler = WindowSampler(
        tokens: file, blockSize: 9, batchSize: 50, seed: 3, purpose: .dataOrder)
      _ = try batch(sampler, 0)
      try #require(truncate(path, off_t(500 * size)) == 0)
      #expect(file.count == 1000)
      let error = #expect(throws: TextError.self) { try batch(sampler, 0) }
      guard case .file(.truncated(let named, let end, _))? = error else {
        Issue.record("\(error as Any)")
        return
      }
      #expect(named == path && end <= 500 * size || end % size == 0)
      // What is left is not what it was, for all that anybody knows; who opens it anew can read it.
      var read = [Int32](repeating: 0, count: 500), span = read.mutableSpan
      #expect(throws: TextError.changed(path: path, byteOffset: nil)) { try file.read(0..<500, into: &span, at: 0) }
      try TokenFile(path, format, vocabularySize: 257).read(0..<500, into: &span, at: 0)
      #expect(read == Array(tokens[..<500]))
    }
  }

  @Test("what is no token of the vocabulary is refused by its place")
  func foreignTokens() throws {
    try withFile(.uint16) { path, _ in
      let small = try TokenFile(path, .uint16, vocabularySize: 250)
      var read = [Int32](repeating: 0, count: 1000), span = read.mutableSpan
      let error = #expect(throws: TextError.self) { try small.read(0..<1000, into: &span, at: 0) }
      #expect("\(error as Any)".contains("\(path) does not hold tokens: token "))
      #expect("\(error as Any)".contains(", and the vocabulary has 250"))
    }
    try temporaryDirectory { folder in
      try POSIXFileSystem().create(folder + "/t", [1, 0, 0, 0, 0, 0, 0, 0x80, 7])
      #expect(throws: TextError.self) { try TokenFile(folder + "/t", .int32, vocabularySize: 10) }
      try POSIXFileSystem().create(folder + "/u", [1, 0, 0, 0, 0, 0, 0, 0x80])
      let negative = try TokenFile(folder + "/u", .int32, vocabularySize: 10)
      var read: [Int32] = [0, 0], span = read.mutableSpan
      let error = #expect(throws: TextError.self) { try negative.read(0..<2, into: &span, at: 0) }
      #expect("\(error as Any)".contains("token 1 is -2147483648"))
      #expect(throws: TextError.self) { try TokenFile(folder + "/none", vocabularySize: 10) }
    }
  }
}
